use super::*;
use proptest::prelude::*;
use serde_json::json;

fn partitions() -> Partitions {
    let facts = json!({"partitions": [
        {"id": "aws", "regionRegex": "^(us|eu)\\-\\w+\\-\\d+$",
         "outputs": {"dnsSuffix": "amazonaws.com", "dualStackDnsSuffix": "api.aws", "supportsFIPS": true,
                     "supportsDualStack": true, "implicitGlobalRegion": "us-east-1", "name": "aws"},
         "regions": {"us-east-1": {}, "odd-one": {"dnsSuffix": "odd.example"}}},
        {"id": "aws-cn", "regionRegex": "^cn\\-\\w+\\-\\d+$",
         "outputs": {"dnsSuffix": "amazonaws.com.cn", "supportsFIPS": false}, "regions": {}},
    ]});
    Partitions::from_json(facts.to_string().as_bytes()).unwrap()
}

fn service() -> Json {
    json!({"version": "1.0",
    "parameters": {
        "Region": {"type": "string", "builtIn": "AWS::Region", "required": true},
        "Endpoint": {"type": "String", "builtIn": "SDK::Endpoint"},
        "UseFIPS": {"type": "boolean", "builtIn": "AWS::UseFIPS", "required": true, "default": false},
        "Names": {"type": "stringArray"},
        "Bucket": {"type": "string"},
    },
    "rules": [
        {"type": "endpoint", "conditions": [{"fn": "isSet", "argv": [{"ref": "Endpoint"}]}],
         "endpoint": {"url": {"ref": "Endpoint"}}},
        {"type": "error", "conditions": [{"fn": "parseURL", "argv": [{"ref": "Bucket"}], "assign": "url"},
            {"fn": "getAttr", "argv": [{"ref": "url"}, "isIp"]}],
         "error": "`{Bucket}` is an address on {url#authority}"},
        {"type": "tree",
         "conditions": [{"fn": "aws.partition", "argv": [{"ref": "Region"}], "assign": "partition"}],
         "rules": [
            {"type": "endpoint", "conditions": [
                {"fn": "aws.parseArn", "argv": [{"ref": "Bucket"}], "assign": "arn"},
                {"fn": "getAttr", "argv": [{"ref": "arn"}, "resourceId[-1]"], "assign": "last"}],
             "endpoint": {"url": "https://{last}.{arn#region}.{partition#dnsSuffix}", "headers": {"x-last": ["{last}"]}}},
            {"type": "endpoint", "conditions": [
                {"fn": "substring", "argv": [{"ref": "Bucket"}, 0, 2, true], "assign": "tail"}],
             "endpoint": {"url": "https://tail.{tail}"}},
            {"type": "endpoint", "conditions": [
                {"fn": "booleanEquals", "argv": [{"ref": "UseFIPS"}, true]},
                {"fn": "booleanEquals", "argv": [{"fn": "getAttr", "argv": [{"ref": "partition"}, "supportsFIPS"]}, true]}],
             "endpoint": {"url": "https://fips.{Region}.{partition#dnsSuffix}", "properties": {"authSchemes": [
                {"name": "sigv4a", "signingName": "demo", "signingRegionSet": ["*"], "disableDoubleEncoding": true}]}}},
            {"type": "endpoint", "conditions": [{"fn": "not", "argv": [{"ref": "UseFIPS"}]}],
             "endpoint": {"url": "https://demo.{Region}.{partition#dnsSuffix}"}},
         ]},
        {"type": "endpoint", "endpoint": {"url": "https://never.example"}},
    ]})
}

fn resolve(given: Json) -> Result<Endpoint, EndpointError> {
    let mut parameters = Parameters::default();
    for (name, value) in given.as_object().unwrap() {
        let value = match value {
            Json::String(text) => ParameterValue::Text(text.clone()),
            Json::Bool(flag) => ParameterValue::Bool(*flag),
            other => ParameterValue::Texts(serde_json::from_value(other.clone()).unwrap()),
        };
        parameters.set(name.as_str(), value);
    }
    EndpointRules::compile(&service()).unwrap().resolve(&parameters, &partitions())
}

#[test]
fn rules_are_followed_in_order() {
    let url = |given| resolve(given).unwrap().url;
    assert_eq!(url(json!({"Region": "eu-central-1"})), "https://demo.eu-central-1.amazonaws.com");
    assert_eq!(url(json!({"Region": "cn-north-1"})), "https://demo.cn-north-1.amazonaws.com.cn");
    assert_eq!(url(json!({"Region": "odd-one"})), "https://demo.odd-one.odd.example");
    assert_eq!(url(json!({"Region": "nowhere"})), "https://demo.nowhere.amazonaws.com");
    assert_eq!(url(json!({"Region": "x", "Endpoint": "http://localhost:4566"})), "http://localhost:4566");
    assert_eq!(url(json!({"Region": "us-east-1", "Bucket": "abcd"})), "https://tail.cd");
    let arn = resolve(json!({"Region": "us-east-1", "Bucket": "arn:aws:s3:eu-west-1:1:a/b:c"})).unwrap();
    assert_eq!(arn.url, "https://c.eu-west-1.amazonaws.com");
    assert_eq!(arn.headers, [("x-last".to_owned(), vec!["c".to_owned()])]);
}

#[test]
fn what_the_rules_refuse_is_said_in_their_words() {
    let refused = resolve(json!({"Region": "us-east-1", "Bucket": "https://127.0.0.1:80/x"})).unwrap_err();
    assert_eq!(refused.to_string(), "`https://127.0.0.1:80/x` is an address on 127.0.0.1:80");
    assert_eq!(resolve(json!({})), Err(EndpointError::MissingParameter("Region".into())));
    let wrong = resolve(json!({"Region": true})).unwrap_err();
    assert_eq!(wrong.to_string(), "the endpoint rules take a text for `Region`");
}

#[test]
fn a_branch_that_was_entered_must_answer() {
    let error = resolve(json!({"Region": "cn-north-1", "UseFIPS": true})).unwrap_err();
    assert_eq!(error, EndpointError::NoAnswer("no rule of a branch applies".into()));
}

#[test]
fn auth_schemes_are_read_from_the_properties() {
    let endpoint = resolve(json!({"Region": "us-east-1", "UseFIPS": true})).unwrap();
    assert_eq!(
        endpoint.auth_schemes(),
        [AuthScheme {
            name: "sigv4a".into(),
            signing_name: Some("demo".into()),
            signing_region: None,
            signing_region_set: vec!["*".into()],
            disable_double_encoding: true,
        }]
    );
}

#[test]
fn built_ins_fill_what_the_rule_set_declares() {
    let rules = EndpointRules::compile(&service()).unwrap();
    let settings = BuiltIns { region: Some("eu-west-1".into()), use_fips: true, ..BuiltIns::default() };
    let endpoint = rules.resolve(&Parameters::of(&rules, &settings), &partitions()).unwrap();
    assert_eq!(endpoint.url, "https://fips.eu-west-1.amazonaws.com");
}

#[test]
fn faults_of_a_rule_set_are_found_when_it_is_compiled() {
    let with = |rule: Json| {
        let rule_set = json!({"parameters": {"Region": {"type": "string"}}, "rules": [{"type": "tree", "conditions": [], "rules": [rule]}]});
        EndpointRules::compile(&rule_set).unwrap_err().to_string()
    };
    let endpoint = |url: Json| json!({"type": "endpoint", "conditions": [], "endpoint": {"url": url}});
    let call = |call: Json| json!({"type": "error", "conditions": [call], "error": "x"});
    insta::assert_snapshot!(
        [
            with(endpoint(json!("https://{Zone}"))),
            with(endpoint(json!("https://{Region"))),
            with(endpoint(json!("https://{Region#a[}"))),
            with(endpoint(json!(null))),
            with(call(json!({"fn": "runShell", "argv": []}))),
            with(call(json!({"fn": "isSet", "argv": []}))),
            with(json!({"type": "tree", "conditions": []})),
        ]
        .join("\n"),
        @r"
    endpoint rules, at `/rules/0/rules/0`: unknown name `Zone`
    endpoint rules, at `/rules/0/rules/0`: unbalanced braces in `https://{Region`
    endpoint rules, at `/rules/0/rules/0`: `a[` is not a path
    endpoint rules, at `/rules/0/rules/0`: an argument is neither a text, a number, a boolean, a reference nor a call
    endpoint rules, at `/rules/0/rules/0`: unknown function `runShell`
    endpoint rules, at `/rules/0/rules/0`: `isSet` takes 1 arguments, not 0
    endpoint rules, at `/rules/0/rules/0`: a rule of type `tree` lacks its part
    ");
}

fn any_json() -> impl Strategy<Value = Json> {
    let name = prop::sample::select(vec![
        "isSet",
        "not",
        "getAttr",
        "aws.partition",
        "parseURL",
        "aws.parseArn",
        "substring",
        "uriEncode",
        "tree",
        "error",
        "endpoint",
        "string",
        "Region",
        "{Region}",
        "{Region#name}",
        "{url#authority}",
        "resourceId[0]",
        "booleanEquals",
        "stringEquals",
        "isValidHostLabel",
        "https://{Region}",
        "a",
        "{",
        "arn:aws:s3:::a",
    ]);
    let key = prop::sample::select(vec![
        "fn",
        "argv",
        "assign",
        "ref",
        "type",
        "rules",
        "conditions",
        "endpoint",
        "error",
        "url",
        "headers",
        "properties",
        "authSchemes",
        "Region",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        name.prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_rule_set_and_no_parameters_panic(rules in prop::collection::vec(any_json(), 0..4), text in ".{0,20}") {
        let rule_set = json!({"parameters": {"Region": {"type": "string"}, "url": {"type": "string"}}, "rules": rules});
        if let Ok(rules) = EndpointRules::compile(&rule_set) {
            let mut parameters = Parameters::default();
            parameters.set("Region", ParameterValue::Text(text));
            let _ = rules.resolve(&parameters, &partitions());
        }
    }

    #[test]
    fn mutated_rules_do_not_panic(place in 0usize..4000, with in any_json(), bucket in "\\PC{0,30}") {
        let mut rule_set = service();
        let mut left = place % 120;
        replace(&mut rule_set, &mut left, &with);
        if let Ok(rules) = EndpointRules::compile(&rule_set) {
            let mut parameters = Parameters::default();
            parameters.set("Region", ParameterValue::Text("us-east-1".into()));
            parameters.set("Bucket", ParameterValue::Text(bucket));
            let _ = rules.resolve(&parameters, &partitions());
        }
    }

    #[test]
    fn no_bucket_name_panics(bucket in "\\PC{0,70}|arn:[a-z:/.-]{0,40}|https?://[a-z0-9:/.\\[\\]%?-]{0,30}", fips in any::<bool>()) {
        let _ = resolve(json!({"Region": "us-east-1", "Bucket": bucket, "UseFIPS": fips}));
    }
}

fn replace(json: &mut Json, left: &mut usize, with: &Json) {
    if *left == 0 {
        *json = with.clone();
    }
    *left = left.wrapping_sub(1);
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, left, with)),
        Json::Object(members) => members.values_mut().for_each(|member| replace(member, left, with)),
        _ => {}
    }
}
