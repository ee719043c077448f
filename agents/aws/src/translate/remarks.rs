//! What else people should know of a form before they let it be deployed.

use serde_json::Value;

use super::{Form, native::INTEGRATION};

/// What a plan must tell, as sentences.
pub(crate) fn remarks(form: &Form) -> Vec<String> {
    of_trust(form).into_iter().chain(of_streams(form)).collect()
}

fn of_trust(form: &Form) -> Option<String> {
    let trust = form.trust.as_ref()?;
    Some(format!(
        "It is reached at `{}` alone, which must check certificates against a truststore: a deploy looks at that before it changes anything.",
        trust.domain_name
    ))
}

fn of_streams(form: &Form) -> Option<String> {
    let paths = form.document["paths"].as_object()?;
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path, method, operation))
    });
    let streamed: Vec<String> = operations
        .filter(|(_, _, operation)| is_streamed(operation))
        .map(|(path, method, _)| format!("`{} {path}`", title(method)))
        .collect();
    let idle = match form.endpoint.r#type.as_str() {
        "EDGE" => "30 seconds",
        _ => "5 minutes",
    };
    (!streamed.is_empty()).then(|| {
        format!(
            "Answers of {} are passed on as they come, and end when nothing comes for {idle}.",
            streamed.join(", ")
        )
    })
}

fn is_streamed(operation: &Value) -> bool {
    let mode = operation[INTEGRATION]["responseTransferMode"].as_str();
    mode.is_some_and(|mode| mode.eq_ignore_ascii_case("STREAM"))
}

fn title(method: &str) -> String {
    match method {
        "x-amazon-apigateway-any-method" => "ANY".to_owned(),
        method => method.to_ascii_uppercase(),
    }
}
