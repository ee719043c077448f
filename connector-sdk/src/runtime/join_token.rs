//! Join tokens on the command line: alone, or for a gateway type.

use std::{convert::Infallible, str::FromStr};

use gatehouse_schemas::identity::GatewayType;
use secrecy::SecretString;

/// A one-time token to join with. Each is good for one gateway type.
///
/// ```
/// use gatehouse_connector_sdk::runtime::JoinToken;
/// use secrecy::ExposeSecret;
///
/// let named: JoinToken = "acme=gtj_123".parse().unwrap();
/// assert_eq!(named.gateway_type.unwrap().to_string(), "acme");
/// assert_eq!(named.token.expose_secret(), "gtj_123");
///
/// let alone: JoinToken = "gtj_123".parse().unwrap();
/// assert!(alone.gateway_type.is_none());
/// assert!(!format!("{alone:?}").contains("gtj_123"));
/// ```
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// The gateway type it is for, if it was said.
    pub gateway_type: Option<GatewayType>,
    /// The token.
    pub token: SecretString,
}

impl FromStr for JoinToken {
    type Err = Infallible;

    /// `TYPE=TOKEN`, or a token alone. Tokens themselves hold no `=`; whether one is good, the control plane says.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let with_type = text.split_once('=').and_then(|(gateway_type, token)| {
            Some(Self {
                gateway_type: Some(gateway_type.parse().ok()?),
                token: token.into(),
            })
        });
        Ok(with_type.unwrap_or_else(|| Self {
            gateway_type: None,
            token: text.into(),
        }))
    }
}

/// The token for one of the gateway types that a process serves. Every token must be for one of them.
pub(super) fn token_for(
    tokens: &[JoinToken],
    gateway_type: &GatewayType,
    served: &[GatewayType],
) -> anyhow::Result<Option<SecretString>> {
    let mut found = None;
    for JoinToken {
        gateway_type: of,
        token,
    } in tokens
    {
        match of {
            Some(of) if of == gateway_type => found = Some(token.clone()),
            Some(of) if served.contains(of) => {}
            Some(of) => anyhow::bail!(
                "there is a join token for gateway type `{of}`, which this agent does not serve; it serves {}",
                listed(served)
            ),
            None if served.len() == 1 => found = Some(token.clone()),
            None => anyhow::bail!(
                "this agent serves several gateway types, and each joins with a token of its own; give each as --join-token TYPE=TOKEN, TYPE being one of {}",
                listed(served)
            ),
        }
    }
    Ok(found)
}

fn listed(types: &[GatewayType]) -> String {
    let types: Vec<_> = types.iter().map(|it| format!("`{it}`")).collect();
    types.join(", ")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn check(tokens: &[&str], served: &[&str]) -> Vec<Result<Option<String>, String>> {
        let tokens: Vec<JoinToken> = tokens.iter().map(|text| text.parse().unwrap()).collect();
        let served: Vec<GatewayType> = served.iter().map(|text| text.parse().unwrap()).collect();
        let token = |gateway_type| {
            let token = token_for(&tokens, gateway_type, &served);
            token
                .map(|token| token.map(|token| token.expose_secret().to_owned()))
                .map_err(|error| error.to_string())
        };
        served.iter().map(token).collect()
    }

    #[test]
    fn each_gateway_type_joins_with_its_own_token() {
        let one = Ok(Some("gtj_one".to_owned()));
        let two = Ok(Some("gtj_two".to_owned()));
        for token in ["gtj_one", "memory=gtj_one"] {
            assert_eq!(check(&[token], &["memory"]).remove(0), one);
        }
        assert_eq!(check(&[], &["memory", "kong"]), [Ok(None), Ok(None)]);
        assert_eq!(
            check(&["kong=gtj_two", "memory=gtj_one"], &["memory", "kong"]),
            [one.clone(), two]
        );
        assert_eq!(check(&["memory=gtj_one"], &["memory", "kong"]), [one, Ok(None)]);
    }

    #[test]
    fn a_token_that_can_be_for_nobody_is_refused_with_the_gateway_types_there_are() {
        let message = check(&["gtj_one"], &["memory", "kong"]).remove(0).unwrap_err();
        assert_eq!(
            message,
            "this agent serves several gateway types, and each joins with a token of its own; give each as --join-token TYPE=TOKEN, TYPE being one of `memory`, `kong`"
        );
        let message = check(&["apigee=gtj_one"], &["memory"]).remove(0).unwrap_err();
        assert_eq!(
            message,
            "there is a join token for gateway type `apigee`, which this agent does not serve; it serves `memory`"
        );
    }
}
