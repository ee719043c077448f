//! Keys of issuers as open-source Kong takes them: each on its own, in PEM, for one algorithm.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use gatehouse_connector_sdk::schemas::policy::{JwtAlgorithm, JwtPolicy};
use serde_json::Value;

/// A key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SigningKey {
    /// What tokens name it by (`kid`).
    pub(crate) id: String,
    /// The one algorithm that Kong accepts with it.
    pub(crate) algorithm: String,
    /// The public key, in PEM.
    pub(crate) pem: String,
}

/// The keys of a JWK set (RFC 7517) that a policy's tokens may be signed with. Keys without a `kid` are left out, since
/// Kong finds keys by it, and so are those of other kinds.
pub(crate) fn signing_keys(set: &Value, policy: &JwtPolicy) -> Vec<SigningKey> {
    let keys = set["keys"].as_array().into_iter().flatten();
    let is_for_signatures = |key: &&Value| key["use"].as_str().is_none_or(|usage| usage == "sig");
    let mut keys: Vec<SigningKey> = keys
        .filter(is_for_signatures)
        .filter_map(|key| signing_key(key, policy))
        .collect();
    keys.sort_by(|one, other| one.id.cmp(&other.id));
    keys.dedup_by(|one, other| one.id == other.id);
    keys
}

fn signing_key(key: &Value, policy: &JwtPolicy) -> Option<SigningKey> {
    let algorithm = algorithm(key, policy)?;
    let der = match key["kty"].as_str()? {
        "RSA" => rsa(&bytes(key, "n")?, &bytes(key, "e")?),
        "EC" => elliptic(key["crv"].as_str()?, &bytes(key, "x")?, &bytes(key, "y")?)?,
        "OKP" if key["crv"] == "Ed25519" => edwards(&bytes(key, "x")?)?,
        _ => return None,
    };
    Some(SigningKey {
        id: key["kid"].as_str().filter(|id| !id.is_empty())?.to_owned(),
        algorithm,
        pem: pem(&der),
    })
}

fn bytes(key: &Value, field: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(key[field].as_str()?.trim_end_matches('='))
        .ok()
}

/// The algorithm that the key names, or else the first that the policy accepts and the key can do.
fn algorithm(key: &Value, policy: &JwtPolicy) -> Option<String> {
    let accepted = policy.algorithms.iter().map(|algorithm| name(*algorithm));
    let fits = |algorithm: &&str| match (key["kty"].as_str(), key["crv"].as_str()) {
        (Some("RSA"), _) => algorithm.starts_with("RS") || algorithm.starts_with("PS"),
        (Some("EC"), Some("P-256")) => *algorithm == "ES256",
        (Some("EC"), Some("P-384")) => *algorithm == "ES384",
        (Some("OKP"), _) => *algorithm == "EdDSA",
        _ => false,
    };
    let named = key["alg"].as_str();
    let mut fitting = accepted
        .filter(fits)
        .filter(|algorithm| named.is_none_or(|named| named == *algorithm));
    fitting.next().map(str::to_owned)
}

fn name(algorithm: JwtAlgorithm) -> &'static str {
    match algorithm {
        JwtAlgorithm::RS256 => "RS256",
        JwtAlgorithm::RS384 => "RS384",
        JwtAlgorithm::RS512 => "RS512",
        JwtAlgorithm::PS256 => "PS256",
        JwtAlgorithm::PS384 => "PS384",
        JwtAlgorithm::PS512 => "PS512",
        JwtAlgorithm::ES256 => "ES256",
        JwtAlgorithm::ES384 => "ES384",
        JwtAlgorithm::EdDSA => "EdDSA",
    }
}

/// `SubjectPublicKeyInfo` (RFC 5280) with the algorithm's identifier in DER and the key's bits.
fn public_key(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = [&[0], key].concat();
    sequence(&[algorithm.to_vec(), element(0x03, &bits)])
}

/// RFC 8017: modulus and exponent; the algorithm is `rsaEncryption` without parameters.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const ALGORITHM: [u8; 15] = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    public_key(&ALGORITHM, &sequence(&[integer(modulus), integer(exponent)]))
}

/// RFC 5480: the point without compression; the algorithm is `ecPublicKey` on the curve.
fn elliptic(curve: &str, x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    const P256: [u8; 21] = [
        0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
        0x3d, 0x03, 0x01, 0x07,
    ];
    const P384: [u8; 18] = [
        0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
        0x22,
    ];
    let (algorithm, size): (&[u8], usize) = match curve {
        "P-256" => (&P256, 32),
        "P-384" => (&P384, 48),
        _ => return None,
    };
    (x.len() == size && y.len() == size).then(|| public_key(algorithm, &[&[4], x, y].concat()))
}

/// RFC 8410.
fn edwards(x: &[u8]) -> Option<Vec<u8>> {
    const ALGORITHM: [u8; 7] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    (x.len() == 32).then(|| public_key(&ALGORITHM, x))
}

/// A positive number in DER: without zeros before it, unless its first bit is set.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let is_negative = digits.first().is_none_or(|byte| byte & 0x80 != 0);
    let zero: &[u8] = if is_negative { &[0] } else { &[] };
    element(0x02, &[zero, digits].concat())
}

fn sequence(elements: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &elements.concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(length.len() - 1)..];
    let mut der = vec![tag];
    match (content.len(), u8::try_from(significant.len())) {
        (0..=127, _) | (_, Err(_)) => der.extend(significant),
        (_, Ok(count)) => {
            der.push(0x80 | count);
            der.extend(significant);
        }
    }
    der.extend(content);
    der
}

/// RFC 7468.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(algorithms: &[&str]) -> JwtPolicy {
        let policy = json!({
            "issuer": "https://login.example.com", "audiences": ["orders"],
            "jwksUri": "https://login.example.com/keys", "algorithms": algorithms,
        });
        serde_json::from_value(policy).expect("a policy")
    }

    /// The key of RFC 7517, appendix A.1, and its form in PEM as OpenSSL 3 writes it.
    #[test]
    fn keys_are_written_as_other_programs_write_them() {
        let set = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        }]});
        let keys = signing_keys(&set, &policy(&["RS256", "ES256"]));
        assert_eq!(keys.len(), 1);
        assert_eq!((keys[0].id.as_str(), keys[0].algorithm.as_str()), ("1", "ES256"));
        assert_eq!(
            keys[0].pem,
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMKBCTNIcKUSDii11ySs3526iDZ8A\niTo7Tu6KPAqv7D7gS2XpJFbZiItSs3m9+9Ue6GnvHw/GW2ZZaVtszggXIw==\n-----END PUBLIC KEY-----\n"
        );
    }

    #[test]
    fn a_key_is_taken_for_one_algorithm_that_the_policy_accepts() {
        let set = json!({"keys": [
            {"kty": "RSA", "kid": "a", "n": "sXch", "e": "AQAB"},
            {"kty": "RSA", "kid": "b", "alg": "RS512", "n": "sXch", "e": "AQAB"},
            {"kty": "RSA", "kid": "encrypts", "use": "enc", "n": "sXch", "e": "AQAB"},
            {"kty": "RSA", "n": "sXch", "e": "AQAB"},
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "broken", "n": "?", "e": "AQAB"},
        ]});
        let found = |algorithms: &[&str]| -> Vec<(String, String)> {
            signing_keys(&set, &policy(algorithms))
                .into_iter()
                .map(|key| (key.id, key.algorithm))
                .collect()
        };
        let pair = |id: &str, algorithm: &str| (id.to_owned(), algorithm.to_owned());
        assert_eq!(found(&["RS256"]), [pair("a", "RS256")]);
        assert_eq!(
            found(&["RS256", "RS512"]),
            [pair("a", "RS256"), pair("b", "RS512")]
        );
        assert_eq!(found(&["EdDSA"]), []);
    }
}
