//! The shared region through which the engine's frames reach the network: slots, rings, and the writers of frames.
//!
//! One memfd ([`region`]) holds, for each network core, a pool of fixed slots and two rings of slot numbers. The
//! engine ([`back`]) takes a slot from its stack, writes a finished piece of an answer into it ([`frames`]) and
//! publishes its number; the core ([`front`]) sends that very memory and gives the number back, in any order. An
//! eventfd ([`wake`]) tells a core that there is something to take, once per decode step.
//!
//! Neither side trusts what it reads from the region: every cursor, number and length is checked against its bounds,
//! and each side keeps its own book of who holds which slot. A peer that lies is a [`slot::Violation`].

pub mod back;
mod cursor;
mod events;
pub mod frames;
pub mod front;
pub mod iobuf;
mod json;
mod layout;
pub mod region;
mod ring;
pub mod slot;
mod stamp;
mod starved;
#[cfg(test)]
mod tests;
pub mod wake;
