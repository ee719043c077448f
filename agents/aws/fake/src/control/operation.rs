//! The operations of API Gateway: method, path, status and name, as in the official model.

use axum::http::Method;

use super::call::{Call, Labels, Reply};
use super::{AwsError, ControlRequest};
use crate::place::Place;
use crate::{http_apis, rest};

/// Which of the two versions an operation is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `apigateway`: REST APIs.
    Rest,
    /// `apigatewayv2`: HTTP and WebSocket APIs.
    Http,
}

/// What an operation does.
pub(crate) type Handler = fn(&Call<'_>, &mut Place) -> Result<Reply, AwsError>;

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) service: Service,
    pub(crate) method: Method,
    /// The path as in the model: `/restapis/{restapi_id}`.
    pub(crate) uri: &'static str,
    /// The status of its answer.
    pub(crate) status: u16,
    pub(crate) name: &'static str,
    pub(crate) handler: Handler,
}

/// An operation of version 1.
pub(crate) const fn v1(
    method: Method,
    uri: &'static str,
    status: u16,
    name: &'static str,
    handler: Handler,
) -> Operation {
    Operation {
        service: Service::Rest,
        method,
        uri,
        status,
        name,
        handler,
    }
}

/// An operation of version 2.
pub(crate) const fn v2(
    method: Method,
    uri: &'static str,
    status: u16,
    name: &'static str,
    handler: Handler,
) -> Operation {
    Operation {
        service: Service::Http,
        method,
        uri,
        status,
        name,
        handler,
    }
}

/// The operations that the fake has, for a test to hold against the official model: service, method, path, status, name.
pub fn operations() -> impl Iterator<Item = (Service, String, &'static str, u16, &'static str)> {
    all().map(|one| (one.service, one.method.to_string(), one.uri, one.status, one.name))
}

fn all() -> impl Iterator<Item = &'static Operation> {
    let versions = [rest::OPERATIONS, http_apis::OPERATIONS];
    versions.into_iter().flatten().copied().flatten()
}

impl Operation {
    /// The operation that a call is meant for, and the variable parts of its path.
    pub(crate) fn of(request: &ControlRequest) -> Option<(&'static Self, Labels)> {
        let fitting = all().filter(|one| one.method == request.method);
        fitting
            .filter_map(|one| Some((one, one.labels(request)?)))
            .max_by_key(|(one, labels)| (one.uri.contains('?'), usize::MAX - labels.len()))
    }

    fn labels(&self, request: &ControlRequest) -> Option<Labels> {
        let (path, query) = self.uri.split_once('?').unwrap_or((self.uri, ""));
        if let Some((name, value)) = query.split_once('=')
            && request.argument(name) != Some(value)
        {
            return None;
        }
        let parts: Vec<&'static str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.len() != request.segments.len() {
            return None;
        }
        let mut labels = Labels::new();
        for (part, sent) in parts.into_iter().zip(&request.segments) {
            match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => labels.push((name, sent.clone())),
                None if part == sent => {}
                None => return None,
            }
        }
        Some(labels)
    }
}
