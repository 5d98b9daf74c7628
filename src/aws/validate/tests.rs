use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn models() -> Models {
    static MODELS: std::sync::OnceLock<Models> = std::sync::OnceLock::new();
    MODELS.get_or_init(|| Models::embedded().unwrap()).clone()
}

fn check(operation: &str, arguments: Value) -> String {
    match validate(&models(), &operation.parse().unwrap(), &arguments) {
        Ok(()) => "fine".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn what_is_right_passes() {
    for (operation, arguments) in [
        ("ec2:TerminateInstances", json!({"InstanceIds": ["i-0123456789abcdef0"]})),
        ("ec2:DescribeInstances", json!({"Filters": [{"Name": "tag:Name", "Values": ["a"]}], "MaxResults": 5})),
        ("ec2:RunInstances", json!({"MinCount": 1, "MaxCount": 1, "ImageId": "ami-1", "InstanceType": "t3.micro"})),
        ("sts:GetCallerIdentity", json!({})),
        ("s3:PutObject", json!({"Bucket": "b", "Key": "k", "Body": "aGVsbG8=", "Metadata": {"a": "b"}})),
        ("s3:ListBuckets", json!({})),
        (
            "dynamodb:PutItem",
            json!({"TableName": "users", "Item": {"id": {"S": "1"}, "m": {"M": {"n": {"L": [{"N": "1"}]}}}}}),
        ),
        (
            "cloudwatch:GetMetricData",
            json!({"MetricDataQueries": [], "StartTime": "2026-01-31T12:00:00Z", "EndTime": 1769860800.5}),
        ),
        ("lambda:DeleteFunction", json!({"FunctionName": "orders"})),
        ("rds:DeleteDBInstance", json!({"DBInstanceIdentifier": "shop", "SkipFinalSnapshot": true})),
        ("iam:CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": "{\n\"Version\": \"2012-10-17\"}"})),
        ("bedrock-runtime:Converse", json!({"modelId": "m", "additionalModelRequestFields": {"anything": [1, null]}})),
    ] {
        assert_eq!(check(operation, arguments), "fine", "{operation}");
    }
}

#[test]
fn every_problem_is_told_with_its_place_and_mend() {
    insta::assert_snapshot!(
        "every_problem",
        check(
            "ec2:RunInstances",
            json!({
                "ImageID": "ami-1",
                "ImageId": 5,
                "InstanceType": "t3.mirco",
                "MinCount": "1",
                "MaxCount": 1.5,
                "DryRun": "true",
                "BlockDeviceMappings": {"DeviceName": "/dev/xvda"},
                "NetworkInterfaces": [{"DeviceIndex": 3_000_000_000_i64, "Groups": "sg-1"}, null],
                "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"key": "a"}]}],
                "evil\n\u{1b}[31m": 1,
            })
        )
    );
}

#[test]
fn constraints_of_the_model_hold() {
    insta::assert_snapshot!(
        "constraints",
        [
            check("ec2:TerminateInstances", json!({})),
            check("ec2:TerminateInstance", json!({})),
            check("sts:GetCallerIdentity", json!({"a": 1})),
            check("ec2:TerminateInstances", json!(["i-1"])),
            check(
                "dynamodb:PutItem",
                json!({"TableName": "a b", "Item": {"id": {"S": "1", "N": "1"}, "x": {}, "b": {"B": "?"}}})
            ),
            check(
                "bedrock-runtime:Converse",
                json!({"modelId": "m", "messages": [{"role": "user", "content": [{}, {"text": "a", "json": 1}]}]})
            ),
            check("dynamodb:CreateTable", json!({"TableName": "t", "BillingMode": "FREE"})),
            check("s3:DeleteObject", json!({"Bucket": "", "Key": "k"})),
            check("s3control:GetAccessPoint", json!({"AccountId": "evil.example/", "Name": "points"})),
            check("sqs:ReceiveMessage", json!({"QueueUrl": "u", "MaxNumberOfMessages": 2_147_483_648_i64})),
            check(
                "lambda:CreateFunction",
                json!({"FunctionName": "", "Role": "r", "Code": {}, "Timeout": 0, "MemorySize": 64})
            ),
            check(
                "cloudwatch:GetMetricData",
                json!({"MetricDataQueries": [], "StartTime": "yesterday", "EndTime": true})
            ),
            check("secretsmanager:PutSecretValue", json!({"SecretId": "a", "SecretString": ""})),
        ]
        .join("\n---\n")
    );
}

#[test]
fn a_secret_never_shows_in_a_message() {
    for (operation, arguments) in [
        ("iam:CreateLoginProfile", json!({"UserName": "u", "Password": "hunter2\u{0}\u{7}"})),
        ("iam:ChangePassword", json!({"OldPassword": "hunter2\u{100}", "NewPassword": ["hunter2"]})),
    ] {
        let told = check(operation, arguments);
        assert_ne!(told, "fine", "{operation}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn many_problems_are_counted() {
    let filters: Vec<Value> = (0..50).map(|_| json!({"Nam": "x"})).collect();
    let arguments = json!({"Filters": filters});
    let problems = validate(&models(), &"ec2:DescribeInstances".parse().unwrap(), &arguments).unwrap_err();
    assert_eq!((problems.shown.len(), problems.more), (Problems::SHOWN, 30));
    assert!(problems.to_string().ends_with("and 30 more"));
}

#[test]
fn deep_nesting_is_refused() {
    let mut value = json!({"S": "x"});
    for _ in 0..60 {
        value = json!({"L": [value]});
    }
    let told = check("dynamodb:PutItem", json!({"TableName": "users", "Item": {"id": value}}));
    assert!(told.contains("nested deeper than 96 levels"), "{told}");
}

/// A value that fits a shape; required members only, and one level more where `depth` allows.
fn fitting(service: &ServiceModel, shape: &str, depth: usize) -> Option<Value> {
    let shape = service.shape(shape).unwrap();
    Some(match &shape.kind {
        ShapeKind::Structure { members, union, .. } => {
            let mut object = Map::new();
            for member in members {
                if member.required || (depth > 0 && !union) || (*union && object.is_empty()) {
                    match fitting(service, &member.shape, depth.saturating_sub(1)) {
                        Some(value) => drop(object.insert(member.name.clone(), value)),
                        None if member.required => return None,
                        None => {}
                    }
                }
            }
            if *union && object.is_empty() {
                return None;
            }
            Value::Object(object)
        }
        ShapeKind::Document => json!({"any": 1}),
        ShapeKind::List { member, bounds } => {
            let count = bounds.min.unwrap_or(0.0) as usize;
            if count > 3 || depth == 0 && count > 0 {
                return None;
            }
            let item = if count > 0 { Some(fitting(service, &member.shape, depth.saturating_sub(1))?) } else { None };
            item.into_iter().cycle().take(count).collect()
        }
        ShapeKind::Map { bounds, .. } if bounds.min.unwrap_or(0.0) == 0.0 => json!({}),
        ShapeKind::Map { .. } => return None,
        ShapeKind::String { enum_values, pattern: None, bounds } => match enum_values.first() {
            Some(value) => json!(value),
            None => json!("a".repeat(bounds.min.unwrap_or(1.0).max(1.0) as usize)),
        },
        ShapeKind::String { enum_values, .. } => json!(enum_values.first()?),
        ShapeKind::Integer(bounds) | ShapeKind::Long(bounds) => json!(bounds.min.unwrap_or(1.0) as i64),
        ShapeKind::Float(bounds) | ShapeKind::Double(bounds) => json!(bounds.min.unwrap_or(0.5)),
        ShapeKind::Boolean => json!(true),
        ShapeKind::Blob(bounds) => {
            let bytes = vec![1u8; bounds.min.unwrap_or(1.0) as usize];
            json!(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes))
        }
        ShapeKind::Timestamp => json!("2026-01-31T12:00:00Z"),
    })
}

const SERVICES: &[&str] = &["ec2", "s3", "dynamodb", "lambda", "iam", "rds", "sqs", "ecs", "sesv2", "route53", "glue"];

fn some_operation() -> impl Strategy<Value = OperationId> {
    (prop::sample::select(SERVICES), any::<prop::sample::Index>()).prop_map(|(service, index)| {
        let model = models().service(service).unwrap();
        let names: Vec<String> = model.operation_names().map(str::to_owned).collect();
        OperationId::new(service, index.get(&names).as_str())
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(("[A-Z][a-z]{0,6}|\\PC{0,8}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn fitting_values_pass_and_single_mutations_fail(operation in some_operation(), depth in 0usize..3, pick in any::<prop::sample::Index>()) {
        let models = models();
        let (service, model) = models.operation(&operation).unwrap();
        let Some(input) = &model.input else { return Ok(()) };
        let Some(value) = fitting(&service, &input.shape, depth) else { return Ok(()) };
        let result = validate(&models, &operation, &value);
        prop_assert!(result.is_ok(), "{operation} {value}: {}", result.unwrap_err());

        let mut unknown = value.clone();
        unknown.as_object_mut().unwrap().insert("NoSuchMember".to_owned(), json!(1));
        prop_assert!(validate(&models, &operation, &unknown).is_err());

        let names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let name = pick.get(&names);
        let shape = service.shape(&input.shape).unwrap();
        let member = shape.member(name).unwrap();
        let mut null = value.clone();
        null.as_object_mut().unwrap().insert(name.clone(), Value::Null);
        let of = service.shape(&member.shape).unwrap();
        let jsonvalue = of.wire.jsonvalue || member.wire.jsonvalue;
        if matches!(of.kind, ShapeKind::Document) || jsonvalue {
            return Ok(());
        }
        prop_assert!(validate(&models, &operation, &null).is_err(), "{operation} {name} null");
        let mut wrong = value.clone();
        let other = if value[name].is_object() { json!([]) } else { json!({"a": 1}) };
        wrong.as_object_mut().unwrap().insert(name.clone(), other);
        prop_assert!(validate(&models, &operation, &wrong).is_err(), "{operation} {name} of another type");
        if member.required && !member.idempotency_token {
            let mut without = value.clone();
            without.as_object_mut().unwrap().shift_remove(name);
            prop_assert!(validate(&models, &operation, &without).is_err(), "{operation} without {name}");
        }
    }

    #[test]
    fn nothing_panics(operation in some_operation(), value in any_json(), place in any::<prop::sample::Index>()) {
        let models = models();
        let _ = validate(&models, &operation, &value);
        let (service, model) = models.operation(&operation).unwrap();
        if let Some(input) = &model.input {
            let shape = service.shape(&input.shape).unwrap();
            if !shape.members().is_empty() {
                let member = &shape.members()[place.index(shape.members().len())];
                if let Err(problems) = validate(&models, &operation, &json!({ member.name.clone(): value })) {
                    prop_assert!(!problems.to_string().chars().any(|c| c.is_control() && c != '\n'));
                }
            }
        }
    }
}
