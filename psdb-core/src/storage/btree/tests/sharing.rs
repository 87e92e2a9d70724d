//! Proves what snapshots cost: nothing to take, one path per write, and nothing once dropped; and
//! that trees grown by ascending keys are left full.

use std::sync::Arc;

use super::{BPlusTree, Page};

/// The addresses of all pages.
pub(super) fn pages<K, V>(tree: &BPlusTree<K, V>) -> Vec<*const Page<K, V>> {
    fn collect<K, V>(page: &Arc<Page<K, V>>, found: &mut Vec<*const Page<K, V>>) {
        found.push(Arc::as_ptr(page));
        if let Page::Branch(branch) = &**page {
            branch.children().iter().for_each(|child| collect(child, found));
        }
    }
    let mut found = Vec::new();
    collect(&tree.root, &mut found);
    found
}

/// How many pages of `tree` are not pages of `other`.
fn not_shared<K, V>(tree: &BPlusTree<K, V>, other: &BPlusTree<K, V>) -> usize {
    let others = pages(other);
    pages(tree).into_iter().filter(|page| !others.contains(page)).count()
}

fn depth<K, V>(tree: &BPlusTree<K, V>) -> usize {
    let (mut depth, mut page) = (1, &*tree.root);
    while let Page::Branch(branch) = page {
        (depth, page) = (depth + 1, branch.child(0));
    }
    depth
}

/// A tree of three levels with room in its pages, so that one insert splits nothing.
fn tree() -> BPlusTree<u32, u32> {
    let mut builder = super::Builder::new(8).fill_percent(75);
    for n in 0..200 {
        builder.push(n * 2, n).expect("keys ascend");
    }
    builder.finish()
}

#[test]
fn a_write_copies_one_path_and_only_once() {
    let mut tree = tree();
    let snapshot = tree.clone();
    assert_eq!(not_shared(&tree, &snapshot), 0);
    tree.insert(101, 0);
    assert_eq!(not_shared(&tree, &snapshot), depth(&tree));
    tree.insert(101, 1);
    assert_eq!(not_shared(&tree, &snapshot), depth(&tree), "the same path is not copied again");
    assert_eq!(snapshot.get(&101), None);
}

#[test]
fn without_a_snapshot_pages_change_in_place() {
    let mut tree = tree();
    let before = pages(&tree);
    tree.insert(101, 0);
    tree.remove(&100);
    drop(tree.clone());
    tree.insert(103, 0);
    assert_eq!(pages(&tree), before);
}

#[test]
fn a_removal_that_finds_nothing_copies_nothing() {
    let mut tree = tree();
    let snapshot = tree.clone();
    assert_eq!(tree.remove(&101), None);
    assert_eq!(not_shared(&tree, &snapshot), 0);
}

#[test]
fn ascending_keys_leave_full_leaves() {
    let mut tree = BPlusTree::new();
    for n in 0..100_000_u32 {
        tree.insert(n, ());
    }
    tree.check_invariants().expect("invariants hold");
    // 3,125 full leaves; half-full branches above them add one page for 16.
    let pages = pages(&tree).len();
    assert!(pages < 3_125 * 11 / 10, "{pages} pages for 100,000 entries");
}

#[test]
fn a_deep_tree_and_its_snapshots_drop() {
    let mut tree = BPlusTree::with_order(3);
    let mut snapshots = Vec::new();
    for n in 0..100_000_u64 {
        // A permutation of the numbers, so that splits happen everywhere.
        tree.insert(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), n);
        if n % 1_000 == 0 {
            snapshots.push(tree.clone());
        }
    }
    assert!(depth(&tree) > 9);
    drop(tree);
    assert_eq!(snapshots.last().map(BPlusTree::len), Some(99_001));
    drop(snapshots);
}

#[test]
fn trees_go_to_other_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<BPlusTree<String, Vec<u8>>>();
}
