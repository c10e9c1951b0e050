//! Results as a page.
use crate::found::Found;
use crate::scenario::Scenario;
/// P
pub fn page_of(_found: &Found) -> String {
    String::new()
}
/// P
pub fn page_of_scenario(_found: &Scenario) -> String {
    String::new()
}
