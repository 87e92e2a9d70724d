//! A stable sort that asks only whether one element is less than another.
//!
//! Runs are found or made by binary insertion, then merged. Up to [`SHORT`] elements the questions
//! are those CPython asks, in its order, so that of several exceptions the same one is raised. An
//! order that contradicts itself (NaN) gives some permutation and no panic, unlike `slice::sort`.
//!
//! Left out: galloping.

const SHORT: usize = 64;

/// Sorts pairs by their first.
pub(super) fn sort<K: Clone, V: Clone>(
    items: &mut [(K, V)],
    less: &mut impl FnMut(&K, &K) -> bool,
) {
    let len = items.len();
    let shortest = shortest_run(len);
    let mut runs = Vec::new();
    let mut start = 0;
    while start < len {
        let mut end = start + natural_run(&mut items[start..], less);
        if end - start < shortest {
            let longer = (start + shortest).min(len);
            insert(&mut items[start..longer], end - start, less);
            end = longer;
        }
        runs.push(start..end);
        start = end;
    }
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        for pair in runs.chunks(2) {
            if let [left, right] = pair {
                merge(&mut items[left.start..right.end], left.len(), less);
                merged.push(left.start..right.end);
            } else {
                merged.extend(pair.iter().cloned());
            }
        }
        runs = merged;
    }
}

/// Such that the runs are about a power of two.
fn shortest_run(mut len: usize) -> usize {
    let mut rest = 0;
    while len >= SHORT {
        rest |= len & 1;
        len >>= 1;
    }
    len + rest
}

/// The length of the ascending run at the start; a descending one is turned round.
fn natural_run<K, V>(items: &mut [(K, V)], less: &mut impl FnMut(&K, &K) -> bool) -> usize {
    if items.len() < 2 {
        return items.len();
    }
    let descending = less(&items[1].0, &items[0].0);
    let mut len = 2;
    while len < items.len() && less(&items[len].0, &items[len - 1].0) == descending {
        len += 1;
    }
    if descending {
        items[..len].reverse();
    }
    len
}

/// Puts the elements from `sorted` on into the sorted ones before them.
fn insert<K, V>(items: &mut [(K, V)], sorted: usize, less: &mut impl FnMut(&K, &K) -> bool) {
    for at in sorted.max(1)..items.len() {
        let (mut low, mut high) = (0, at);
        while low < high {
            let middle = low + (high - low) / 2;
            if less(&items[at].0, &items[middle].0) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        items[low..=at].rotate_right(1);
    }
}

/// Merges the run of `left` elements with the one after it.
fn merge<K: Clone, V: Clone>(
    items: &mut [(K, V)],
    left: usize,
    less: &mut impl FnMut(&K, &K) -> bool,
) {
    let before = items[..left].to_vec();
    let (mut from, mut right) = (0, left);
    for to in 0..items.len() {
        if from == before.len() {
            return;
        }
        if right < items.len() && less(&items[right].0, &before[from].0) {
            items[to] = items[right].clone();
            right += 1;
        } else {
            items[to] = before[from].clone();
            from += 1;
        }
    }
}
