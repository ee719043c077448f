//! `If-Match` and `If-None-Match` (RFC 9110, section 13): writing only what one has read.

use axum::extract::FromRequestParts;
use gatehouse_control_plane_api::problem::ProblemKind;
use gatehouse_schemas::identity::ResourceVersion;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use utoipa::IntoParams;

use crate::failure::{Answer, Failure};

/// The headers [`Precondition`] is read from, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by utoipa alone")]
pub(crate) struct PreconditionHeaders {
    /// Only if the resource has this ETag; `*`: only if it exists.
    #[param(rename = "If-Match", pattern = r#"^(\*|"[0-9]{1,19}")$"#, example = "\"7\"")]
    if_match: Option<String>,
    /// `*`: only if the resource does not exist.
    #[param(rename = "If-None-Match", pattern = r"^\*$")]
    if_none_match: Option<String>,
}

/// On what the client makes a write depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing.
    None,
    /// The resource exists, at any version.
    Exists,
    /// The resource has this version.
    Version(ResourceVersion),
    /// The resource does not exist.
    Absent,
}

impl Precondition {
    /// Refuses unless the resource is in the state the client expects.
    pub(crate) fn check(self, what: &str, current: Option<ResourceVersion>) -> Answer<()> {
        let found = current.map_or_else(
            || "it does not exist".to_owned(),
            |version| format!("its ETag is {}", entity_tag(version).to_str().unwrap_or_default()),
        );
        let holds = match self {
            Self::None => true,
            Self::Exists => current.is_some(),
            Self::Version(expected) => current == Some(expected),
            Self::Absent => current.is_none(),
        };
        holds.then_some(()).ok_or_else(|| {
            Failure::new(
                ProblemKind::PreconditionFailed,
                format!("{what} is not as the request expects: {found}; read it again, then decide"),
            )
        })
    }
}

/// The ETag of a version.
pub(crate) fn entity_tag(version: ResourceVersion) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        match (
            text(&parts.headers, &header::IF_MATCH)?,
            text(&parts.headers, &header::IF_NONE_MATCH)?,
        ) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Exists),
            (Some(tag), None) => version(tag).map(Self::Version),
            (None, Some("*")) => Ok(Self::Absent),
            (None, Some(_)) => Err(malformed(
                "if-none-match",
                "takes `*` only, to create and never replace",
            )),
            (Some(_), Some(_)) => Err(malformed("if-match", "and `if-none-match` exclude each other")),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Answer<Option<&'a str>> {
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    value.map_err(|_| malformed(name.as_str(), "is not text"))
}

fn version(tag: &str) -> Answer<ResourceVersion> {
    let digits = tag
        .trim()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.map(ResourceVersion).ok_or_else(|| {
        malformed(
            "if-match",
            "takes one ETag as a read gave it, for example `\"7\"`, or `*`",
        )
    })
}

fn malformed(name: &str, what: &str) -> Failure {
    Failure::new(
        ProblemKind::MalformedRequest,
        format!("the header `{name}` {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(name: &'static str, value: &'static str) -> Answer<Precondition> {
        let request = http::Request::builder()
            .header(name, value)
            .body(())
            .expect("a request");
        Precondition::from_request_parts(&mut request.into_parts().0, &()).await
    }

    #[tokio::test]
    async fn reads_the_headers() {
        assert_eq!(
            read("if-match", "\"7\"").await.expect("valid"),
            Precondition::Version(ResourceVersion(7))
        );
        assert_eq!(read("if-match", "*").await.expect("valid"), Precondition::Exists);
        assert_eq!(
            read("if-none-match", "*").await.expect("valid"),
            Precondition::Absent
        );
        assert_eq!(read("accept", "*/*").await.expect("valid"), Precondition::None);
        for (name, value) in [
            ("if-match", "7"),
            ("if-match", "W/\"7\""),
            ("if-none-match", "\"7\""),
        ] {
            let failure = read(name, value).await.expect_err("refused");
            assert_eq!(failure.kind(), ProblemKind::MalformedRequest);
        }
    }

    #[test]
    fn refuses_a_version_that_is_not_the_current_one() {
        let seven = Some(ResourceVersion(7));
        assert!(
            Precondition::Version(ResourceVersion(7))
                .check("api `a`", seven)
                .is_ok()
        );
        assert!(
            Precondition::Version(ResourceVersion(6))
                .check("api `a`", seven)
                .is_err()
        );
        assert!(
            Precondition::Version(ResourceVersion(6))
                .check("api `a`", None)
                .is_err()
        );
        assert!(Precondition::Absent.check("api `a`", seven).is_err());
        assert!(Precondition::Exists.check("api `a`", None).is_err());
    }
}
