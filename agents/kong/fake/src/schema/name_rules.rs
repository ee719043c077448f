//! Texts with rules of their own: names, tags, hosts, paths, addresses. Each function says what is wrong.

use std::net::IpAddr;

use super::rules::is_uuid;

pub(super) fn name(text: &str) -> Option<String> {
    let allowed = |one: char| !one.is_ascii() || one.is_ascii_alphanumeric() || ".-_~".contains(one);
    let said = "the only accepted ascii characters are alphanumerics or ., -, _, and ~";
    (!text.chars().all(allowed)).then(|| format!("invalid value '{text}': {said}"))
}

pub(super) fn tag(text: &str) -> Option<String> {
    let allowed = |one: char| !one.is_ascii_control() && one != ',' && one != '/';
    let said = "expected printable ascii (except `,` and `/`) or valid utf-8 sequences";
    (!text.chars().all(allowed)).then(|| format!("invalid tag '{text}': {said}"))
}

/// Letters, digits and a few signs in labels between dots.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let allowed = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
        !label.is_empty() && label.len() <= 63 && label.chars().all(allowed) && !label.starts_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn is_address(text: &str) -> bool {
    text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

pub(super) fn host(text: &str) -> Option<String> {
    if is_host_name(text) || is_address(text) {
        return None;
    }
    match text.rsplit_once(':') {
        Some((host, port)) if is_host_name(host) && port.parse::<u16>().is_ok() => {
            Some("must not have a port".to_owned())
        }
        _ => Some(format!("invalid value: {text}")),
    }
}

pub(super) fn route_host(text: &str) -> Option<String> {
    let (name, port) = text.rsplit_once(':').unwrap_or((text, "80"));
    let fits = is_host_name(&name.replace('*', "a")) && port.parse::<u16>().is_ok();
    (!fits && !is_address(text)).then(|| format!("invalid hostname: {text}"))
}

pub(super) fn route_path(text: &str) -> Option<String> {
    if let Some(pattern) = text.strip_prefix('~') {
        return bad_regex(pattern);
    }
    let normal = normalised(text);
    (normal != text).then(|| format!("non-normalized path, consider use '{normal}' instead"))
}

fn bad_regex(pattern: &str) -> Option<String> {
    let error = regex::Regex::new(pattern).err()?.to_string();
    let reason = if error.contains("unclosed group") {
        "missing closing parenthesis"
    } else {
        last_line(&error)
    };
    let compiled = format!("pcre2_compile() failed: {reason} in \"{pattern}\"");
    Some(format!("invalid regex: '{pattern}' (PCRE returned: {compiled})"))
}

fn last_line(error: &str) -> &str {
    error
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
}

/// A path as Kong wants it: what need not be encoded is not, and no `.` or `..`.
fn normalised(path: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(path)
        .decode_utf8_lossy()
        .into_owned();
    let keeps = path.to_ascii_uppercase();
    if ["%2F", "%3F", "%23", "%25"]
        .iter()
        .any(|sign| keeps.contains(sign))
    {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in decoded.split('/').skip(1) {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

pub(super) fn upstream_name(text: &str) -> Option<String> {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    if is_address(text) {
        Some(format!("Invalid name ('{text}'); no ip addresses allowed"))
    } else if !is_host_name(host) {
        Some(format!("Invalid name ('{text}'); must be a valid hostname"))
    } else {
        (host != text).then(|| format!("Invalid name ('{text}'); no port allowed"))
    }
}

pub(super) fn target(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !is_address(text) => (host, port),
        _ => (text, "8000"),
    };
    let fits = (is_host_name(host) || is_address(host)) && port.parse::<u16>().is_ok();
    (!fits).then(|| "Invalid target; not a valid hostname or ip address".to_owned())
}

pub(super) fn url(text: &str) -> Option<String> {
    match text.split_once("://") {
        None | Some(("", _)) => Some("missing host in url".to_owned()),
        Some((_, rest)) if rest.split('/').next().is_none_or(str::is_empty) => {
            Some("missing host in url".to_owned())
        }
        Some(_) => None,
    }
}

pub(super) fn redirect_uri(text: &str) -> Option<String> {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let fits = !scheme.is_empty()
        && scheme
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one));
    if !fits {
        return Some(format!("cannot parse '{text}'"));
    }
    text.contains('#')
        .then(|| format!("fragment not allowed in '{text}'"))
}

pub(super) fn header_name(text: &str) -> Option<String> {
    let fits = text
        .chars()
        .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_');
    let allowed = "allowed characters are A-Z, a-z, 0-9, '_', and '-'";
    (!fits).then(|| format!("bad header name '{text}', {allowed}"))
}

pub(super) fn ip_or_range(text: &str) -> Option<String> {
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    let most = if address.contains(':') { 128 } else { 32 };
    let fits = address.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= most);
    (!fits).then(|| format!("invalid ip or cidr range: '{text}'"))
}

/// Whether a text is a PEM block with a structure in it, or a reference to a vault.
pub(super) fn is_pem(text: &str) -> bool {
    text.starts_with("{vault://") || pem_content(text).is_some_and(|content| content.first() == Some(&0x30))
}

/// What the first PEM block of a text holds.
pub(crate) fn pem_content(text: &str) -> Option<Vec<u8>> {
    let (_, block) = text.split_once("-----BEGIN ")?;
    let (_, block) = block.split_once("-----")?;
    let (block, _) = block.split_once("-----END ")?;
    let letters: String = block.split_whitespace().collect();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, letters).ok()
}

/// Whether a text can only be an id.
pub(crate) fn is_id(text: &str) -> bool {
    is_uuid(text)
}
