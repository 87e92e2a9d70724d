//! temp stub
mod executor;
mod planner;
mod program;
mod source;
use crate::types::PyError;
pub use executor::{Counted, Execution, Results, Skipped, count};
pub use program::{EvalError, Program};
pub use source::{Documents, Source};
