//! Settings: defaults, then the environment, then flags; and every bound in the program.

pub mod limits;
