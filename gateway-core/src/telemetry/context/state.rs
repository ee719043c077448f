//! `tracestate`: a list that everybody who takes part in a trace may put something into. Ours is what came.

use http::{HeaderMap, HeaderValue};

use super::TRACESTATE;

/// The most members a list may have; one with more is none.
const MEMBERS_MAX: usize = 32;

/// How long a list may be that is passed on.
const LENGTH_MAX: usize = 512;

/// Members that are left out first if the list is too long.
const LONG_MEMBER: usize = 128;

/// Leaves one header with the list, or none if it is not one. A list that is too long loses its long members, then its
/// last ones (W3C Trace Context, section 3.3.1.5).
pub(crate) fn keep_state(headers: &mut HeaderMap) {
    let mut given = headers.get_all(TRACESTATE).iter();
    let Some(first) = given.next() else {
        return;
    };
    let several = given.next().is_some();
    if !several && first.len() <= LENGTH_MAX {
        if !is_list(first.as_bytes()) {
            headers.remove(TRACESTATE);
        }
        return;
    }
    let given = headers.get_all(TRACESTATE).iter();
    let all = given
        .map(HeaderValue::as_bytes)
        .collect::<Vec<_>>()
        .join(&b","[..]);
    let kept = is_list(&all).then(|| fitting(members(&all).collect()).join(&b","[..]));
    match kept.and_then(|kept| HeaderValue::from_bytes(&kept).ok()) {
        Some(kept) if !kept.is_empty() => drop(headers.insert(TRACESTATE, kept)),
        _ => drop(headers.remove(TRACESTATE)),
    }
}

/// The members of a list without those that are empty, which mean nothing.
fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty())
}

/// Whether all members are well-formed, and not too many.
fn is_list(list: &[u8]) -> bool {
    members(list).count() <= MEMBERS_MAX && members(list).all(is_member)
}

fn is_member(member: &[u8]) -> bool {
    let Some(equals) = member.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (key, value) = member.split_at(equals);
    is_key(key) && is_value(value.get(1..).unwrap_or_default())
}

fn is_key(key: &[u8]) -> bool {
    let begins = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let goes_on = |byte: &u8| begins(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    (1..=256).contains(&key.len()) && key.first().is_some_and(begins) && key.iter().all(goes_on)
}

fn is_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len())
        && value
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~') && *byte != b'=')
}

/// As many members as fit.
fn fitting(mut members: Vec<&[u8]>) -> Vec<&[u8]> {
    let mut length = members.iter().map(|member| member.len() + 1).sum::<usize>();
    while length > LENGTH_MAX + 1 {
        let long = members.iter().rposition(|member| member.len() > LONG_MEMBER);
        let Some(place) = long.or_else(|| members.len().checked_sub(1)) else {
            break;
        };
        length -= members.remove(place).len() + 1;
    }
    members
}
