//! Settings: defaults, then the environment, then flags; and every bound in the program.

pub mod duration;
pub mod env;
pub mod host;
pub mod limits;

/// The version that the server tells and the command line compares with its own.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
