//! Which route takes a request: all routes of a configuration, compiled once, tried from the highest priority down.
//!
//! Both flavours end in the same expressions, as in Kong, whose `traditional_compatible` router writes expressions itself.
//! Of two conditions with one priority the one of the greater route id wins, which is how atc-router orders its matchers.

mod expression;
mod language;
mod subject;
#[cfg(test)]
mod tests;
mod traditional;

use serde_json::Value;

use self::expression::Expression;
pub(crate) use self::subject::{Found, Subject};
pub(crate) use self::traditional::strings;
use crate::configuration::{Configuration, Entity};

/// Which words routes are written in: Kong's `router_flavor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouterFlavor {
    /// Methods, hosts, headers and paths.
    #[default]
    TraditionalCompatible,
    /// Expressions, and methods, hosts, headers and paths for routes without one.
    Expressions,
}

/// All routes of one configuration.
#[derive(Debug, Default)]
pub(crate) struct Router {
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    priority: u64,
    route: String,
    condition: Expression,
}

impl Router {
    /// Compiles the routes that can be reached: those of disabled services do not exist for the proxy.
    pub(crate) fn compile(configuration: &Configuration, flavor: RouterFlavor) -> Self {
        let routes = configuration.all("routes");
        let routes = routes.filter(|(_, route)| is_reachable(configuration, route));
        let mut candidates: Vec<_> = routes
            .flat_map(|(id, route)| candidates(id, route, flavor))
            .collect();
        candidates.sort_by(|a, b| (b.priority, &b.route).cmp(&(a.priority, &a.route)));
        Self { candidates }
    }

    /// The id of the route that takes a request, and what it matched.
    pub(crate) fn select(&self, subject: &Subject<'_>) -> Option<(&str, Found)> {
        self.candidates.iter().find_map(|candidate| {
            let mut found = Found::default();
            candidate
                .condition
                .holds(subject, &mut found)
                .then_some((candidate.route.as_str(), found))
        })
    }
}

fn candidates(id: &str, route: &Entity, flavor: RouterFlavor) -> Vec<Candidate> {
    let expression = route.get("expression").and_then(Value::as_str);
    let conditions = match expression.filter(|_| flavor == RouterFlavor::Expressions) {
        Some(text) => {
            let priority = route.get("priority").and_then(Value::as_u64).unwrap_or(0);
            language::parse(text)
                .map(|expression| (priority, expression))
                .into_iter()
                .collect()
        }
        None => traditional::conditions(route),
    };
    let candidate = |(priority, condition)| Candidate {
        priority,
        route: id.to_owned(),
        condition,
    };
    conditions.into_iter().map(candidate).collect()
}

fn is_reachable(configuration: &Configuration, route: &Entity) -> bool {
    let Some(service) = reference(route, "service") else {
        return true;
    };
    let service = configuration.get("services", service);
    service.is_some_and(|service| service.get("enabled") != Some(&Value::Bool(false)))
}

/// The id that a foreign key holds.
pub(crate) fn reference<'a>(entity: &'a Entity, name: &str) -> Option<&'a str> {
    entity.get(name)?.get("id")?.as_str()
}
