//! Proves that the tree behaves as an ordered map, keeps its invariants and its snapshots, and
//! copies only what a snapshot holds; and that the check of its invariants can fail.

mod check;
mod model;
mod scripts;
mod sharing;

use super::*;
