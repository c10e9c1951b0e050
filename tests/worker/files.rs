//! Changed copies of llamita, and models of other shapes.
