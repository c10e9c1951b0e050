//! The harness against its own fake server, whose delays are known. The bounds are wide: exact figures are for a
//! quiet machine, these tests are for what is wrong by kind.

mod accuracy;
mod commands;
mod fake;
mod outputs;
mod pages;
mod runs;
mod views;
