//! Checks bytes from outside before anything reads them as a document.
//!
//! Every offset, size, tag, string and table is checked, and that there is no byte that belongs to
//! nothing; what passes is exactly what the builder writes. Nesting is bounded, so a hostile
//! document cannot exhaust the stack.
//!
//! Left out: meaning (reserved fields, ids), which `metadata` checks.

use super::layout::{
    ARRAY, FALSE, FLOAT, INT, LARGE_INT, NULL, OBJECT, SORTED_ABOVE, STRING, TRUE, VERSION,
};

/// How deep values may nest; text is bounded lower, at 100.
const NESTING: usize = 128;

type Check<T> = Result<T, &'static str>;

/// Checks a whole document.
pub(super) fn check(bytes: &[u8]) -> Check<()> {
    match bytes.split_first() {
        Some((&VERSION, body)) => check_object(body, 0),
        Some(_) => Err("it has another format version"),
        None => Err("it is empty"),
    }
}

fn word(bytes: &[u8], at: usize) -> Check<usize> {
    let end = at.checked_add(4).ok_or("an offset overflows")?;
    let bytes = bytes.get(at..end).ok_or("it is cut short")?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}

/// Splits a body into its items, the table of offsets, and the table of the order.
fn split(body: &[u8], tables: impl Fn(usize) -> usize) -> Check<(&[u8], &[u8], &[u8])> {
    let end = body.len().checked_sub(4).ok_or("a container is cut short")?;
    let count = word(body, end)?;
    let length = count.checked_mul(4 * tables(count)).ok_or("a count overflows")?;
    let start = end.checked_sub(length).ok_or("a table is larger than its container")?;
    let (items, rest) = body.split_at(start);
    let (offsets, order) = rest[..length].split_at(4 * count);
    Ok((items, offsets, order))
}

fn check_array(body: &[u8], depth: usize) -> Check<()> {
    let (items, offsets, _) = split(body, |_| 1)?;
    let mut at = 0;
    for index in 0..offsets.len() / 4 {
        if word(offsets, 4 * index)? != at {
            return Err("an element is not where its offset says");
        }
        at += check_value(items.get(at..).ok_or("an element is missing")?, depth)?;
    }
    if at == items.len() { Ok(()) } else { Err("bytes of an array belong to no element") }
}

fn check_object(body: &[u8], depth: usize) -> Check<()> {
    let tables = |count| if count > SORTED_ABOVE { 2 } else { 1 };
    let (items, offsets, order) = split(body, tables)?;
    let mut names = Vec::with_capacity(offsets.len() / 4);
    let mut at = 0;
    for index in 0..offsets.len() / 4 {
        if word(offsets, 4 * index)? != at {
            return Err("a field is not where its offset says");
        }
        let entry = items.get(at..).ok_or("a field is missing")?;
        let length = word(entry, 0)?;
        let name = length.checked_add(4).and_then(|end| entry.get(4..end));
        let name = name.ok_or("a field's name is cut short")?;
        std::str::from_utf8(name).map_err(|_| "a field's name is not UTF-8")?;
        names.push(name);
        at += 4 + length + check_value(&entry[4 + length..], depth)?;
    }
    if at != items.len() {
        return Err("bytes of an object belong to no field");
    }
    check_order(&mut names, order)
}

/// Checks that names are distinct and that the table, if there is one, sorts them.
fn check_order(names: &mut [&[u8]], order: &[u8]) -> Check<()> {
    for pair in order.chunks_exact(4).collect::<Vec<_>>().windows(2) {
        let name = |entry: &[u8]| names.get(word(entry, 0).ok()?).copied();
        match (name(pair[0]), name(pair[1])) {
            (Some(low), Some(high)) if low < high => {}
            _ => return Err("the fields' order is wrong"),
        }
    }
    // A strictly ascending table of as many entries as there are names lists each exactly once.
    if order.is_empty() {
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a field is given twice");
        }
    }
    Ok(())
}

/// Checks the value at the start of `bytes` and returns its length.
fn check_value(bytes: &[u8], depth: usize) -> Check<usize> {
    let (&tag, payload) = bytes.split_first().ok_or("a value is missing")?;
    match tag {
        NULL | FALSE | TRUE => Ok(1),
        INT | LARGE_INT | FLOAT => check_number(tag, payload).map(|()| 9),
        STRING | ARRAY | OBJECT => {
            let size = word(payload, 0)?;
            let body = size.checked_add(4).and_then(|end| payload.get(4..end));
            let body = body.ok_or("a value is cut short")?;
            check_sized(tag, body, depth + 1).map(|()| 5 + size)
        }
        _ => Err("a value has an unknown tag"),
    }
}

fn check_number(tag: u8, payload: &[u8]) -> Check<()> {
    let bytes = payload.first_chunk::<8>().ok_or("a number is cut short")?;
    match tag {
        LARGE_INT if i64::try_from(u64::from_le_bytes(*bytes)).is_ok() => {
            Err("a small integer is encoded as a large one")
        }
        FLOAT if !f64::from_le_bytes(*bytes).is_finite() => Err("a number is not finite"),
        _ => Ok(()),
    }
}

fn check_sized(tag: u8, body: &[u8], depth: usize) -> Check<()> {
    if depth > NESTING {
        return Err("it is nested too deeply");
    }
    match tag {
        STRING => std::str::from_utf8(body).map(|_| ()).map_err(|_| "a string is not UTF-8"),
        ARRAY => check_array(body, depth),
        _ => check_object(body, depth),
    }
}
