//! URLs of integrations: where requests go, and which path they ask for there.

use std::collections::BTreeMap;

/// A URL of an integration, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Scheme, host and port.
    pub(super) origin: String,
    /// The path, in which `{name}` is a parameter of the method's path; empty if there is none.
    pub(super) path: String,
    /// Query parameters that are always sent.
    pub(super) query: BTreeMap<String, String>,
}

impl Target {
    /// Takes a URL apart. `parameters` says which parameter of the method's path stands for one of the URL's.
    pub(super) fn of(uri: &str, parameters: &BTreeMap<String, String>) -> Result<Self, String> {
        let (scheme, rest) = uri
            .split_once("://")
            .ok_or_else(|| format!("`{uri}` is no URL"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        Ok(Self {
            origin: origin(scheme, authority)?,
            path: with_parameters(path, parameters)?,
            query: pairs(query)?,
        })
    }

    /// What is left of the path when that of the method is taken from its end, if it ends in it: the path of an upstream.
    pub(super) fn root(&self, template: &str) -> Option<&str> {
        let below = template.replace("...}", "}");
        let below = below.trim_end_matches('/');
        let root = if below.is_empty() {
            self.path.trim_end_matches('/')
        } else {
            self.path.strip_suffix(below)?
        };
        (!root.contains('{') && !root.ends_with('/')).then_some(root)
    }
}

fn origin(scheme: &str, authority: &str) -> Result<String, String> {
    let scheme = scheme.to_ascii_lowercase();
    let allowed = |it: char| it.is_ascii_alphanumeric() || "-._:[]".contains(it);
    let authority = authority.to_ascii_lowercase();
    if authority.contains('@') {
        return Err("its URL carries a credential".to_owned());
    }
    if !matches!(scheme.as_str(), "http" | "https") || authority.is_empty() || !authority.chars().all(allowed)
    {
        return Err("its URL names no host that is always the same".to_owned());
    }
    let port = authority.rsplit_once(':').filter(|_| !authority.ends_with(']'));
    if port.is_some_and(|(_, port)| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err("its URL names no port that there is".to_owned());
    }
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    Ok(format!("{scheme}://{authority}"))
}

fn with_parameters(path: &str, parameters: &BTreeMap<String, String>) -> Result<String, String> {
    let mut written = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("the braces of its URL do not pair")?;
        let source = parameters
            .get(name)
            .ok_or_else(|| format!("`{{{name}}}` of its URL is not filled from the path of the request"))?;
        written.push_str(before);
        written.push_str(&format!("{{{source}}}"));
        rest = after;
    }
    written.push_str(rest);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/{}".contains(&byte);
    if written.bytes().all(plain) && !written.contains("//") {
        Ok(written)
    } else {
        Err("the path of its URL is not written as in a URL".to_owned())
    }
}

fn pairs(query: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name.is_empty() || pair.contains(['{', '}', '$', '%', '+']) || pairs.contains_key(name) {
            return Err("the query of its URL is more than fixed texts".to_owned());
        }
        pairs.insert(name.to_owned(), value.to_owned());
    }
    Ok(pairs)
}
