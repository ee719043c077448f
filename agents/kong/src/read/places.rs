//! The places of a route: whole paths as callers write them, and what becomes of them at the upstream.

use super::{
    conditions::Conditions,
    pattern::{REST, Variant},
    uri,
};
use crate::entities::Entity;

/// A path of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The whole path, segment by segment.
    pub(super) path: Vec<String>,
    /// What the upstream is asked for, the service's path included.
    pub(super) upstream: Vec<String>,
    /// How many segments of the path are the base path, where the route says so.
    pub(super) base: Option<usize>,
}

/// A route, read.
#[derive(Debug)]
pub(super) struct RoutePlaces<'a> {
    pub(super) route: &'a Entity,
    pub(super) conditions: Conditions,
    pub(super) places: Vec<Place>,
    /// Whether a template does not match quite what the route does.
    pub(super) inexact: bool,
    /// Whether the plugin's path for the upstream is in the places.
    pub(super) replaced: bool,
}

impl<'a> RoutePlaces<'a> {
    /// Reads a route. `service_path` is put before what the upstream is asked for, unless a plugin says which path
    /// (`replaced_by`) that is.
    pub(super) fn of(
        route: &'a Entity,
        service_path: &str,
        replaced_by: Option<&str>,
    ) -> Result<Self, String> {
        let conditions = Conditions::of(route)?;
        let mut variants = Vec::new();
        for pattern in &conditions.paths {
            variants.extend(pattern.variants()?);
        }
        let replaced = replaced_by.and_then(|uri| places(&variants, |it| uri::place(it, uri)));
        let strip = route.flag("strip_path").unwrap_or(true);
        let plain = |it: &Variant| Some(place(it, service_path, strip));
        Ok(Self {
            route,
            conditions,
            inexact: variants.iter().any(|variant| variant.inexact),
            replaced: replaced.is_some(),
            places: replaced.or_else(|| places(&variants, plain)).unwrap_or_default(),
        })
    }
}

fn places(variants: &[Variant], place: impl Fn(&Variant) -> Option<Place>) -> Option<Vec<Place>> {
    variants.iter().map(place).collect()
}

/// What the pattern matched is taken away, or nothing is; then the service's path is put before it.
fn place(variant: &Variant, service_path: &str, strip: bool) -> Place {
    let left = if strip { &variant.after } else { &variant.path };
    let mut upstream = segments(service_path.trim_end_matches('/'));
    upstream.extend(segments(left));
    Place {
        path: segments(&variant.path),
        upstream,
        base: None,
    }
}

/// The segments of a path; none of `/`.
pub(super) fn segments(path: &str) -> Vec<String> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// The path of segments.
pub(super) fn path_of(segments: &[String]) -> String {
    format!("/{}", segments.join("/"))
}

/// Whether a path is everything below another.
pub(super) fn is_rest(path: &str) -> bool {
    path == REST
}
