//! What messages say.

use gatehouse_connector_sdk::schemas::identity::ExternalRef;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const REGION: &str = "eu-central-1";

/// An event as EventBridge delivers it.
fn event(name: &str, asked: Value, made: Value) -> Value {
    json!({
        "version": "0", "id": "6f87d04b-9f74-4f04-a780-7acf4b0a9b38",
        "detail-type": "AWS API Call via CloudTrail", "source": "aws.apigateway", "account": "111122223333",
        "time": "2026-11-22T08:00:00Z", "region": REGION, "resources": [],
        "detail": {
            "eventVersion": "1.09", "eventSource": SOURCE, "eventName": name, "awsRegion": REGION,
            "userIdentity": {"type": "IAMUser", "userName": "dev"}, "eventTime": "2026-11-22T08:00:00Z",
            "requestParameters": asked, "responseElements": made, "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "111122223333",
        },
    })
}

fn about(external_ref: &str) -> Told {
    Told::Change(Hint::Api(ExternalRef(external_ref.to_owned())))
}

#[test]
fn an_event_says_which_api_changed() {
    let something = || Told::Change(Hint::Something);
    let stage = json!({"restApiId": "a1b2c3d4e5", "stageName": "live", "updateStageInput": {}});
    let tagged = json!({"resourceArn": "arn:aws:apigateway:eu-central-1::/apis/a1b2c3d4e5/stages/live"});
    for (name, asked, made, expected) in [
        ("UpdateStage", stage, Value::Null, about("restapis/a1b2c3d4e5")),
        (
            "PutRestApi",
            json!({"restApiId": "a1", "mode": "overwrite"}),
            Value::Null,
            about("restapis/a1"),
        ),
        (
            "DeleteRestApi",
            json!({"restApiId": "a1"}),
            Value::Null,
            about("restapis/a1"),
        ),
        (
            "ImportRestApi",
            json!({}),
            json!({"id": "b2", "name": "orders"}),
            about("restapis/b2"),
        ),
        (
            "CreateRestApi",
            Value::Null,
            json!({"id": "b2"}),
            about("restapis/b2"),
        ),
        (
            "CreateStage",
            json!({"apiId": "h1", "stageName": "live"}),
            json!({}),
            about("apis/h1"),
        ),
        (
            "CreateApi",
            json!({"protocolType": "HTTP"}),
            json!({"apiId": "h2"}),
            about("apis/h2"),
        ),
        ("TagResource", tagged, Value::Null, about("apis/a1b2c3d4e5")),
        (
            "CreateApiMapping",
            json!({"apiId": "x1", "stage": "live"}),
            Value::Null,
            something(),
        ),
        (
            "CreateUsagePlan",
            json!({"createUsagePlanInput": {}}),
            json!({"id": "p1"}),
            something(),
        ),
        (
            "UpdateRestApi",
            json!({"restApiId": "../../etc"}),
            Value::Null,
            something(),
        ),
        (
            "SomethingNew",
            json!(["unexpected"]),
            json!("unexpected"),
            something(),
        ),
    ] {
        let message = event(name, asked, made).to_string();
        assert_eq!(read(&message, REGION), expected, "{name}");
    }
}

#[test]
fn a_web_acl_that_comes_to_a_stage_or_goes_is_a_change_of_its_api() {
    let stage = "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3d4e5/stages/live";
    let balancer = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/shop/1";
    let acl = "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/shop/1";
    for (name, asked, expected) in [
        (
            "AssociateWebACL",
            json!({"webACLArn": acl, "resourceArn": stage}),
            about("restapis/a1b2c3d4e5"),
        ),
        (
            "DisassociateWebACL",
            json!({"resourceArn": stage}),
            about("restapis/a1b2c3d4e5"),
        ),
        (
            "AssociateWebACL",
            json!({"webACLArn": acl, "resourceArn": balancer}),
            Told::Nothing,
        ),
        ("UpdateWebACL", json!({"name": "shop"}), Told::Nothing),
        ("DisassociateWebACL", Value::Null, Told::Nothing),
    ] {
        for source in FIREWALLS {
            let mut event = event(name, asked.clone(), Value::Null);
            event["detail"]["eventSource"] = json!(source);
            assert_eq!(read(&event.to_string(), REGION), expected, "{event}");
        }
    }
}

#[test]
fn what_reads_or_failed_or_is_elsewhere_changed_nothing_here() {
    let asked = || json!({"restApiId": "a1"});
    let with = |member: &str, value: Value| {
        let mut event = event("UpdateStage", asked(), Value::Null);
        event["detail"][member] = value;
        event
    };
    for event in [
        event("GetStage", asked(), Value::Null),
        event("TestInvokeMethod", asked(), Value::Null),
        with("readOnly", json!(true)),
        with("errorCode", json!("TooManyRequestsException")),
        with("awsRegion", json!("us-east-1")),
    ] {
        assert_eq!(read(&event.to_string(), REGION), Told::Nothing, "{event}");
    }
}

#[test]
fn what_is_no_event_of_api_gateway_is_strange() {
    let mut another = event("PutObject", json!({}), Value::Null);
    another["detail"]["eventSource"] = json!("s3.amazonaws.com");
    for message in ["", "hello", "[]", "{}", r#"{"detail": 1}"#, &another.to_string()] {
        assert_eq!(read(message, REGION), Told::Strange, "{message}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let member = prop_oneof![
        Just("detail".to_owned()),
        Just("eventSource".to_owned()),
        Just("requestParameters".to_owned()),
        Just("responseElements".to_owned()),
        Just("restApiId".to_owned()),
        Just("resourceArn".to_owned()),
        Just("eventName".to_owned()),
        ".{0,8}",
    ];
    let text = prop_oneof![
        Just(SOURCE.to_owned()),
        Just(FIREWALLS[0].to_owned()),
        Just("arn:aws:apigateway:x::/apis".to_owned()),
        ".{0,80}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let members = proptest::collection::btree_map(member.clone(), inner.clone(), 0..8);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_read_and_names_only_what_can_be_an_api(record in any_json(), whole in ".{0,200}") {
        read(&whole, REGION);
        let mut detail = record.clone();
        if let Some(members) = detail.as_object_mut() {
            members.insert("eventSource".to_owned(), Value::from(SOURCE));
        }
        for message in [record.to_string(), json!({"detail": detail}).to_string()] {
            if let Told::Change(Hint::Api(ExternalRef(named))) = read(&message, REGION) {
                let (kind, id) = named.split_once('/').expect("a kind and an identity");
                prop_assert!(["restapis", "apis"].contains(&kind) && id.len() <= 64, "{named}");
            }
        }
    }
}
