//! The collections of entities: where the Admin API has them, and by what their entities are called.

/// One collection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Collection {
    /// Kong's name for it.
    pub(crate) name: &'static str,
    /// Its path: `key-auths`; none when it is only found beneath others.
    pub(crate) path: Option<&'static str>,
    /// Its path beneath another entity: `key-auth`.
    pub(crate) nested: &'static str,
    /// The field that may stand for the id in paths.
    pub(crate) key: Option<&'static str>,
    /// Fields that no two entities have alike all together.
    pub(crate) unique_together: &'static [&'static str],
}

impl Collection {
    /// The collection of a name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|one| one.name == name)
    }

    /// The collection at a path.
    pub(crate) fn at(path: &str) -> Option<&'static Self> {
        ALL.iter().find(|one| one.path == Some(path))
    }

    /// The collections that a path beneath an entity may mean.
    pub(crate) fn beneath(path: &str) -> Option<&'static Self> {
        ALL.iter().find(|one| one.nested == path)
    }
}

const fn same(name: &'static str, key: &'static str) -> Collection {
    Collection {
        name,
        path: Some(name),
        nested: name,
        key: Some(key),
        unique_together: &[],
    }
}

const fn credential(
    name: &'static str,
    path: &'static str,
    nested: &'static str,
    key: &'static str,
) -> Collection {
    Collection {
        name,
        path: Some(path),
        nested,
        key: Some(key),
        unique_together: &[],
    }
}

/// All collections.
pub(crate) const ALL: &[Collection] = &[
    same("services", "name"),
    same("routes", "name"),
    same("consumers", "username"),
    Collection {
        unique_together: &["consumer", "name", "route", "service"],
        ..same("plugins", "instance_name")
    },
    same("upstreams", "name"),
    Collection {
        path: None,
        unique_together: &["target", "upstream"],
        ..same("targets", "target")
    },
    same("certificates", "id"),
    same("snis", "name"),
    same("ca_certificates", "id"),
    same("vaults", "prefix"),
    same("keys", "name"),
    credential("key_sets", "key-sets", "key-sets", "name"),
    credential("filter_chains", "filter-chains", "filter-chains", "name"),
    credential("keyauth_credentials", "key-auths", "key-auth", "key"),
    credential("basicauth_credentials", "basic-auths", "basic-auth", "username"),
    credential("hmacauth_credentials", "hmac-auths", "hmac-auth", "username"),
    credential("jwt_secrets", "jwts", "jwt", "key"),
    credential("oauth2_credentials", "oauth2", "oauth2", "client_id"),
    credential("oauth2_tokens", "oauth2_tokens", "oauth2_tokens", "access_token"),
    Collection {
        unique_together: &["consumer", "group"],
        ..same("acls", "group")
    },
];
