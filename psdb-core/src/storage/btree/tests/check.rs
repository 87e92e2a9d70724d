//! Proves that `check_invariants` finds a breach of each invariant, and says where.

use std::sync::Arc;

use super::branch::Branch;
use super::leaf::Leaf;
use super::{BPlusTree, Order, Page};

type Child = Arc<Page<u32, ()>>;

fn leaf(keys: &[u32]) -> Child {
    let mut leaf = Leaf::default();
    for key in keys {
        leaf.push(*key, ());
    }
    Arc::new(Page::Leaf(leaf))
}

fn branch<const N: usize>(separators: &[u32], children: [Child; N]) -> Child {
    Arc::new(Page::Branch(Branch::new(separators.to_vec(), children.into())))
}

fn check(root: Child, len: usize) -> Result<(), String> {
    BPlusTree { root, len, order: Order::new(4) }.check_invariants()
}

#[test]
fn a_sound_tree_passes() {
    assert_eq!(check(leaf(&[]), 0), Ok(()));
    assert_eq!(check(leaf(&[1]), 1), Ok(()));
    // A separator need not be a key.
    assert_eq!(check(branch(&[5], [leaf(&[1, 2]), leaf(&[7, 8])]), 4), Ok(()));
}

#[test]
fn every_breach_is_found() {
    let pair = |left: &[u32], right: &[u32]| branch(&[5], [leaf(left), leaf(right)]);
    let deep = branch(&[5], [pair(&[1, 2], &[3, 4]), leaf(&[7, 8])]);
    for (root, len, message) in [
        (leaf(&[1, 2]), 3, "the length is 3, but there are 2 entries"),
        (leaf(&[2, 2]), 2, "root: key 1 is not above the one before it"),
        (leaf(&[1, 2, 3, 4, 5]), 5, "root: it holds 5, not 0 to 4"),
        (pair(&[1], &[7, 8]), 3, "root/0: it holds 1, not 2 to 4"),
        (branch(&[], [leaf(&[1, 2])]), 2, "root: it holds 1, not 2 to 4"),
        (pair(&[1, 5], &[7, 8]), 4, "root/0: key 1 is not below the separator on the right"),
        (pair(&[1, 2], &[4, 8]), 4, "root/1: key 0 is below the separator on the left"),
        (pair(&[1, 2], &[2, 8]), 4, "root/1: key 0 is not above the one before it"),
        (deep, 6, "root/0/1: key 0 is below the separator on the left"),
        (
            branch(&[5], [branch(&[3], [leaf(&[1, 2]), leaf(&[3, 4])]), leaf(&[7, 8])]),
            6,
            "root/1: leaf at depth 1, others at 2",
        ),
    ] {
        assert_eq!(check(root, len), Err(message.to_owned()));
    }
}
