//! temp stub
#![allow(missing_docs)]
use super::Program;
use crate::types::IndexName;
use std::ops::Bound;
pub(super) enum Plan {
    Scan,
    Index { name: IndexName, low: Bound<Vec<u8>>, high: Bound<Vec<u8>> },
}
pub(super) fn plan(_p: &Program, _i: &[(IndexName, Vec<String>)]) -> Plan {
    Plan::Scan
}
