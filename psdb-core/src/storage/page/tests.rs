//! Proves that a page holds what was put into it in any order, that splitting and merging lose
//! nothing, and that no bytes whatever are taken for a page that could do harm.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::leaf::separator;
use super::*;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn entries(page: &Page) -> Entries {
    let entry = |at| match page.value(at) {
        Value::Inline(value) => (page.key(at).to_vec(), value.to_vec()),
        Value::Chain { .. } => panic!("there are no chains here"),
    };
    (0..page.count()).map(entry).collect()
}

fn cell(key: &[u8], value: &[u8]) -> ValueCell {
    ValueCell::new(key, Value::Inline(value))
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(0..4_u8, 0..6),
        (0..20_u8, 0..700_usize).prop_map(|(n, length)| vec![n; length]),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Put(Vec<u8>, usize),
    Remove(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (key(), 0..1_500_usize).prop_map(|(key, length)| Change::Put(key, length)),
        1 => (0..40_usize).prop_map(Change::Remove),
    ]
}

/// A leaf after some changes, with what it must hold; splits keep the larger half.
fn changed(changes: Vec<Change>) -> (Page, Entries) {
    let (mut page, mut model) = (Page::leaf(5), Entries::new());
    for (step, change) in changes.into_iter().enumerate() {
        match change {
            Change::Put(key, length) => {
                let value = vec![step as u8; length];
                let (at, replaces) = match page.search(&key) {
                    Ok(at) => (at, true),
                    Err(at) => (at, false),
                };
                if page.put_entry(at, &cell(&key, &value), replaces) {
                    model.insert(key, value);
                } else {
                    assert_eq!(entries(&page), model, "what does not fit changes nothing");
                    let is_last = at == page.count() && step % 2 == 0;
                    let halves = page.split_leaf(at, &cell(&key, &value), replaces, is_last);
                    model.insert(key, value);
                    page = check_halves(&halves, &mut model);
                }
            }
            Change::Remove(at) if page.count() > 0 => {
                let at = at % page.count();
                model.remove(page.key(at));
                page.remove_entry(at);
            }
            Change::Remove(_) => {}
        }
        page.validate().unwrap();
        assert_eq!(entries(&page), model);
    }
    (page, model)
}

/// Checks the halves of a split against the whole; goes on with the right one.
fn check_halves(halves: &Halves, model: &mut Entries) -> Page {
    halves.left.validate().unwrap();
    halves.right.validate().unwrap();
    let (left, right) = (entries(&halves.left), entries(&halves.right));
    assert!(left.keys().all(|key| key < &halves.separator));
    assert!(right.keys().all(|key| key >= &halves.separator));
    let both: Entries = left.into_iter().chain(right.clone()).collect();
    assert_eq!(both, *model);
    *model = right;
    halves.right.clone()
}

/// A valid leaf, branch and overflow page as they go to disk, each with the pointer to it.
fn sealed_examples() -> Vec<(Vec<u8>, Pointer)> {
    let child = |id| Pointer { id: PageId(id), generation: 3, checksum: Some(id) };
    let mut leaf = Page::leaf(5);
    for n in 0..20_u8 {
        let at = leaf.count();
        leaf.put_entry(at, &cell(&[n, 1, 2], &[n; 100]), false);
    }
    let chain = Value::Chain { length: 10_000, head: child(9) };
    leaf.put_entry(20, &ValueCell::new(&[99], chain), false);
    leaf.remove_entry(3);
    let mut branch = Page::branch(1, 5, child(3));
    for n in 0..20_u8 {
        branch.insert_child(usize::from(n), &[n, 7], child(u32::from(n) + 20));
    }
    let overflow = Page::overflow(5, &[1; OVERFLOW_BYTES], Some(child(8)));
    let pages = vec![leaf, branch, overflow];
    (7..)
        .zip(pages)
        .map(|(id, mut page)| {
            let checksum = Some(page.seal(PageId(id)));
            (page.bytes().to_vec(), Pointer { id: PageId(id), generation: 5, checksum })
        })
        .collect()
}

/// Decodes bytes whose checksum was made right, as a forger would.
fn decode_forged(mut bytes: Vec<u8>, pointer: Pointer) -> Result<Page, String> {
    let checksum = crc32fast::hash(&bytes[ID..]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    Page::decode(&bytes, Pointer { checksum: None, ..pointer })
}

/// Does everything with a page that a store might do.
fn exercise(page: &Page) {
    match page.kind() {
        Kind::Overflow => {
            assert!(!page.payload().is_empty());
            page.next();
        }
        Kind::Leaf => {
            for at in 0..page.count() {
                assert_eq!(page.search(page.key(at)), Ok(at));
                page.value(at);
            }
            let new = cell(b"new", &[1; 1_000]);
            let at = page.search(b"new").unwrap_or_else(|at| at);
            let mut copy = page.clone();
            if copy.search(b"new").is_err() && !copy.put_entry(at, &new, false) {
                page.split_leaf(at, &new, false, false);
            }
            copy.validate().unwrap();
            (0..copy.count()).rev().for_each(|at| copy.remove_entry(at));
            copy.validate().unwrap();
        }
        Kind::Branch => {
            let mut copy = page.clone();
            for at in 0..page.children() {
                copy.set_child(at, page.child(at));
            }
            let child = Pointer { id: PageId(1), generation: 1, checksum: Some(1) };
            let at = page.child_for(b"new");
            if copy.search(b"new").is_err() && !copy.insert_child(at, b"new", child) {
                page.split_branch(at, b"new", child, true);
            }
            while copy.children() > 1 {
                copy.remove_child(copy.children() / 2);
            }
            copy.validate().unwrap();
        }
    }
}

#[test]
fn pointers_come_back() {
    let settled = Pointer { id: PageId(7), generation: 9, checksum: Some(0) };
    assert_eq!(Pointer::decode(&settled.encode()), settled);
    let unsettled = Pointer::unsettled(PageId(u32::MAX), 1 << 60);
    assert_eq!(Pointer::decode(&unsettled.encode()), unsettled);
}

#[test]
fn every_flipped_bit_is_found() {
    for (bytes, pointer) in sealed_examples() {
        exercise(&Page::decode(&bytes, pointer).unwrap());
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(Page::decode(&flipped, pointer).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_page_is_not_taken_for_another() {
    for (bytes, pointer) in sealed_examples() {
        let others = [
            Pointer { id: PageId(pointer.id.0 + 1), ..pointer },
            Pointer { generation: pointer.generation + 1, ..pointer },
            Pointer { checksum: pointer.checksum.map(|sum| sum ^ 1), ..pointer },
        ];
        for other in others {
            assert!(Page::decode(&bytes, other).is_err(), "{other:?}");
        }
    }
}

#[test]
fn an_unsettled_pointer_on_disk_is_damage() {
    let mut branch = Page::branch(1, 5, Pointer::unsettled(PageId(3), 5));
    let checksum = Some(branch.seal(PageId(7)));
    let pointer = Pointer { id: PageId(7), generation: 5, checksum };
    let refused = Page::decode(branch.bytes(), pointer);
    assert!(refused.unwrap_err().contains("not filled in"));
}

#[test]
fn separators_are_short_and_between() {
    for (left, right, expected) in
        [("abc", "abd", "abd"), ("abc", "bcd", "b"), ("ab", "abc", "abc"), ("", "x", "x")]
    {
        assert_eq!(separator(left.as_bytes(), right.as_bytes()), expected.as_bytes());
    }
}

#[test]
fn merging_gives_all_entries_of_both() {
    let (mut left, mut right) = (Page::leaf(1), Page::leaf(1));
    left.put_entry(0, &cell(b"a", b"1"), false);
    right.put_entry(0, &cell(b"b", b"2"), false);
    assert_eq!(left.merged_size(b"b", &right), left.used() + right.used());
    let expected = left.merged_size(b"b", &right);
    left.append_leaf(&right);
    left.validate().unwrap();
    assert_eq!((left.count(), left.used()), (2, expected));

    let child = |id| Pointer::unsettled(PageId(id), 1);
    let (mut left, mut right) = (Page::branch(1, 1, child(1)), Page::branch(1, 1, child(3)));
    left.insert_child(0, b"b", child(2));
    right.insert_child(0, b"d", child(4));
    let expected = left.merged_size(b"c", &right);
    left.append_branch(b"c", &right);
    left.validate().unwrap();
    assert_eq!((left.children(), left.used()), (4, expected));
    assert_eq!((0..4).map(|at| left.child(at).id.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// Asks a page for keys that are there, near there and elsewhere, with hints and without.
fn check_hints(page: &Page, others: &[Vec<u8>]) {
    let mut hinted = page.clone();
    hinted.add_hints();
    let mut asked: Vec<Vec<u8>> = others.to_vec();
    for at in 0..page.count() {
        let key = page.key(at);
        asked.push(key.to_vec());
        asked.push(key[..key.len().saturating_sub(1)].to_vec());
        asked.push([key, &[0]].concat());
        asked.push(key.iter().map(|byte| byte.wrapping_add(1)).collect());
    }
    for key in asked {
        assert_eq!(hinted.search(&key), page.search(&key), "{key:?}");
    }
    assert!(page.count() < 8 || hinted.hints.is_some(), "there are hints");
    assert!(hinted.clone().hints.is_none(), "a copy is made to be changed");
}

proptest! {
    #[test]
    fn hints_lead_to_the_same_places(
        changes in prop::collection::vec(change(), 0..60),
        prefix in prop::collection::vec(0..3_u8, 0..40),
        others in prop::collection::vec(key(), 0..20),
    ) {
        check_hints(&changed(changes).0, &others);
        // Keys that share a long beginning, and some that end within it.
        let mut page = Page::leaf(1);
        for n in 0..100_u32 {
            let key = [&prefix[..], &n.to_be_bytes()[(n % 3) as usize..]].concat();
            if let Err(at) = page.search(&key) {
                page.put_entry(at, &cell(&key, b"v"), false);
            }
        }
        check_hints(&page, &others);
        page.add_hints();
        page.remove_entry(0);
        assert!(page.hints.is_none(), "a changed page has none");
    }

    #[test]
    fn a_leaf_agrees_with_a_map(changes in prop::collection::vec(change(), 0..80)) {
        changed(changes);
    }

    #[test]
    fn a_branch_agrees_with_a_map(
        keys in prop::collection::vec(key(), 1..60),
        removed in prop::collection::vec(0..100_usize, 0..60),
    ) {
        let child = |n: usize| Pointer::unsettled(PageId(n as u32), 1);
        let mut page = Page::branch(1, 1, child(0));
        let mut model: Vec<(Vec<u8>, Pointer)> = vec![(Vec::new(), child(0))];
        for (n, key) in keys.into_iter().enumerate() {
            if key.is_empty() || page.search(&key).is_ok() {
                continue;
            }
            let at = page.child_for(&key);
            if page.insert_child(at, &key, child(n + 1)) {
                model.insert(at + 1, (key, child(n + 1)));
            } else {
                let halves = page.split_branch(at, &key, child(n + 1), false);
                model.insert(at + 1, (key, child(n + 1)));
                let left = halves.left.children();
                prop_assert_eq!(&model[left].0, &halves.separator);
                halves.right.validate().unwrap();
                page = halves.left;
                model.truncate(left);
            }
            page.validate().unwrap();
        }
        for at in removed {
            if page.children() > 1 {
                let at = at % page.children();
                page.remove_child(at);
                model.remove(at);
            }
            page.validate().unwrap();
        }
        let children: Vec<Pointer> = (0..page.children()).map(|at| page.child(at)).collect();
        prop_assert_eq!(children, model.iter().map(|(_, child)| *child).collect::<Vec<_>>());
        for (at, (separator, _)) in model.iter().enumerate().skip(1) {
            prop_assert_eq!(page.key(at - 1), &separator[..]);
        }
    }

    #[test]
    fn forged_pages_do_no_harm(
        example in 0..3_usize,
        changes in prop::collection::vec((KIND..100_usize, any::<u8>()), 0..12),
        far in prop::collection::vec((100..PAGE_BYTES, any::<u8>()), 0..12),
    ) {
        let (mut bytes, pointer) = sealed_examples().swap_remove(example);
        for (at, byte) in changes.into_iter().chain(far) {
            bytes[at] = byte;
        }
        if let Ok(page) = decode_forged(bytes, pointer) {
            exercise(&page);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(
        mut bytes in prop::collection::vec(any::<u8>(), PAGE_BYTES),
        kind in 1..4_u8,
        count in 0..600_u16,
        heap in 0..=8192_u16,
    ) {
        let pointer = Pointer::unsettled(PageId(7), 5);
        bytes[ID..ID + 4].copy_from_slice(&7_u32.to_le_bytes());
        bytes[GENERATION..KIND].copy_from_slice(&5_u64.to_le_bytes());
        bytes[KIND..BODY].fill(0);
        bytes[KIND] = kind;
        bytes[LEVEL] = u8::from(kind == 2);
        bytes[COUNT..HEAP].copy_from_slice(&count.to_le_bytes());
        bytes[HEAP..GARBAGE].copy_from_slice(&heap.to_le_bytes());
        if let Ok(page) = decode_forged(bytes, pointer) {
            exercise(&page);
        }
    }
}
