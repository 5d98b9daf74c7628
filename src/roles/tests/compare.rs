//! Deployed roles held against what is needed: what is told of each difference.

use super::*;

/// All that is told, as `iam check` orders it.
fn told(difference: &Difference) -> String {
    let kinds =
        [("missing", &difference.missing), ("too much", &difference.too_much), ("not understood", &difference.unclear)];
    let lines = kinds.iter().flat_map(|(kind, lines)| lines.iter().map(move |line| format!("{kind}: {line}")));
    lines.collect::<Vec<_>>().join("\n")
}

fn policy(name: &str, statements: Value) -> Policy {
    Policy::parse(name, &json!({ "Version": "2012-10-17", "Statement": statements }).to_string()).unwrap()
}

/// A role that has what a tool that deletes tables needs, as a template makes it.
struct Fixture {
    bench: Bench,
    role: Deployed,
}

impl Fixture {
    fn new() -> Self {
        let bench = only(&["dynamodb_delete_table"]);
        let needs = bench.needs(Families::None);
        let role = deployed(&bench.role(&needs.change, Purpose::Change).unwrap());
        let fixture = Self { bench, role };
        assert_eq!(fixture.differences(), "");
        fixture
    }

    fn differences(&self) -> String {
        told(&self.bench.compare(&self.role, &self.bench.needs(Families::None).change, Purpose::Change))
    }

    fn with_trust(&mut self, statements: Value) -> String {
        self.role.trust = policy("trust", statements);
        self.differences()
    }

    fn with_policies(&mut self, statements: Value) -> String {
        self.role.policies = vec![policy("tables", statements)];
        self.differences()
    }

    fn with_boundary(&mut self, statements: Value) -> String {
        self.role.boundary = Some(Bounds { of_aws: None, policy: policy("bounds", statements) });
        self.differences()
    }
}

/// A statement that lets a principal do all that the server does, under conditions.
fn lets(principal: Value, condition: Value) -> Value {
    let actions = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"];
    json!({ "Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition })
}

/// As templates have it, with the external id for the one action that knows it.
fn server(condition: Value) -> Value {
    json!([
        { "Effect": "Allow", "Principal": { "AWS": SERVER }, "Action": "sts:AssumeRole", "Condition": condition },
        { "Effect": "Allow", "Principal": { "AWS": SERVER }, "Action": ["sts:SetSourceIdentity", "sts:TagSession"] },
    ])
}

const TABLES: &str = "arn:aws:dynamodb:eu-central-1:444455556666:table/*";

/// What the template allows, with something else in its place.
fn deletes(with: Value) -> Value {
    let mut statement = json!({
        "Effect": "Allow", "Action": "dynamodb:DeleteTable", "Resource": TABLES,
        "Condition": { "StringEquals": { "aws:RequestedRegion": "eu-central-1" } },
    });
    for (key, value) in with.as_object().unwrap() {
        if value.is_null() {
            statement.as_object_mut().unwrap().remove(key);
        } else {
            statement[key] = value.clone();
        }
    }
    statement
}

#[test]
fn whoever_a_trust_policy_lets_in_is_judged() {
    let mut fixture = Fixture::new();
    let id = json!({ "StringEquals": { "sts:ExternalId": "shop" } });
    let principals = [
        json!("*"),
        json!({ "AWS": "*" }),
        json!({ "AWS": [SERVER, "*"] }),
        json!({ "AWS": [SERVER, "arn:aws:iam::444455556666:user/mallory"] }),
        json!({ "AWS": "999999999999" }),
        json!({ "AWS": "arn:aws:iam::999999999999:root" }),
        json!({ "AWS": "arn:aws:iam::444455556666:root" }),
        json!({ "AWS": "arn:aws:iam::121212121212:root" }),
        json!({ "AWS": "AROAEXAMPLEEXAMPLE" }),
        json!({ "Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"] }),
        json!({ "Federated": "arn:aws:iam::444455556666:saml-provider/corp" }),
        json!({ "CanonicalUser": "79a59d" }),
    ];
    let mut text = String::new();
    for principal in principals {
        let mut statements = server(id.clone()).as_array().unwrap().clone();
        statements
            .push(json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": id }));
        text += &format!("{principal}\n{}\n\n", fixture.with_trust(Value::Array(statements)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_server_itself_must_be_let_in() {
    let mut fixture = Fixture::new();
    let id = json!({ "StringEquals": { "sts:ExternalId": "shop" } });
    let mut denied = server(id.clone()).as_array().unwrap().clone();
    denied.push(json!({ "Effect": "Deny", "Principal": { "AWS": "*" }, "Action": "sts:TagSession" }));
    let mut in_doubt = server(id.clone()).as_array().unwrap().clone();
    in_doubt.push(json!({ "Effect": "Deny", "Principal": "*", "Action": "*",
        "Condition": { "NotIpAddress": { "aws:SourceIp": "10.0.0.0/8" } } }));
    let mut not_met = server(id.clone()).as_array().unwrap().clone();
    not_met.push(json!({ "Effect": "Deny", "Principal": "*", "Action": "*",
        "Condition": { "StringNotEquals": { "aws:PrincipalArn": [SERVER] } } }));
    let cases = [
        ("nobody", json!([])),
        ("another", json!([lets(json!({ "AWS": "arn:aws:iam::999999999999:role/other" }), id.clone())])),
        ("by NotPrincipal", json!([{ "Effect": "Allow", "NotPrincipal": { "AWS": "*" }, "Action": "sts:*" }])),
        ("denied", Value::Array(denied)),
        ("denied by address", Value::Array(in_doubt)),
        ("everybody else denied", Value::Array(not_met)),
        (
            "with a second factor",
            json!([lets(json!({ "AWS": SERVER }), json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } }))]),
        ),
        (
            "by date",
            json!([lets(
                json!({ "AWS": SERVER }),
                json!({ "DateLessThan": { "aws:CurrentTime": "2027-01-01T00:00:00Z" } })
            )]),
        ),
        (
            "anybody of that ARN",
            json!([lets(json!({ "AWS": "*" }), json!({ "ArnEquals": { "aws:PrincipalArn": SERVER } }))]),
        ),
    ];
    let all = cases.map(|(name, statements)| format!("{name}\n{}", fixture.with_trust(statements)));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn the_external_id_must_be_demanded() {
    let mut fixture = Fixture::new();
    let conditions = [
        json!({}),
        json!({ "StringEquals": { "sts:ExternalId": "other" } }),
        json!({ "StringEquals": { "sts:ExternalId": ["shop", "other"] } }),
        json!({ "StringLike": { "sts:ExternalId": "*" } }),
        json!({ "StringLike": { "sts:ExternalId": "sh*" } }),
        json!({ "StringEqualsIfExists": { "sts:ExternalId": "shop" } }),
        json!({ "StringNotEquals": { "sts:ExternalId": "other" } }),
        json!({ "ForAllValues:StringEquals": { "sts:ExternalId": "shop" } }),
        json!({ "ForAnyValue:StringEquals": { "sts:externalid": "shop" } }),
        json!({ "Null": { "sts:ExternalId": "false" } }),
    ];
    let mut text = String::new();
    for condition in conditions {
        text += &format!("{condition}\n{}\n\n", fixture.with_trust(server(condition.clone())));
    }
    fixture.bench.account.external_id = None;
    let some = json!({ "StringEquals": { "sts:ExternalId": "shop" } });
    text += &format!("none is configured\n{}\n", fixture.with_trust(server(some)));
    insta::assert_snapshot!(text);
}

#[test]
fn what_policies_allow_is_judged_in_both_directions() {
    let mut fixture = Fixture::new();
    let region = |operator: &str, regions: Value| json!({ operator: { "aws:RequestedRegion": regions } });
    let deny = |more: Value| {
        let mut statement = json!({ "Effect": "Deny", "Action": "*", "Resource": "*" });
        statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        statement
    };
    let elsewhere = json!({ "Condition": { "StringNotEquals": { "aws:RequestedRegion": ["eu-central-1"] } } });
    let cases = [
        ("nothing", json!([])),
        ("as needed", json!([deletes(json!({}))])),
        ("more actions", json!([deletes(json!({ "Action": ["dynamodb:Delete*"] }))])),
        (
            "more regions",
            json!([deletes(json!({ "Condition": region("StringEquals", json!(["eu-central-1", "us-east-1"])) }))]),
        ),
        ("all regions", json!([deletes(json!({ "Condition": null }))])),
        (
            "the region, if there is one",
            json!([deletes(json!({ "Condition": region("StringEqualsIfExists", json!("eu-central-1")) }))]),
        ),
        ("regions like it", json!([deletes(json!({ "Condition": region("StringLike", json!("eu-*")) }))])),
        ("another region", json!([deletes(json!({ "Condition": region("StringEquals", json!("eu-west-1")) }))])),
        (
            "all but another region",
            json!([deletes(json!({ "Condition": region("StringNotEquals", json!("eu-west-1")) }))]),
        ),
        ("a region by denial", json!([deletes(json!({ "Condition": null })), deny(elsewhere)])),
        (
            "only some tables",
            json!([deletes(json!({ "Resource": "arn:aws:dynamodb:eu-central-1:444455556666:table/a*" }))]),
        ),
        ("all resources", json!([deletes(json!({ "Resource": "*" }))])),
        (
            "all but some tables",
            json!([deletes(json!({ "Resource": null, "NotResource": "arn:aws:dynamodb:*:*:table/b" }))]),
        ),
        ("all but another service's", json!([deletes(json!({ "Resource": null, "NotResource": "arn:aws:s3:::*" }))])),
        (
            "all actions but some",
            json!([deletes(
                json!({ "Action": null, "NotAction": ["a*", "b*", "c*", "e*", "dy*:[a-ce-z]*", "dynamodb:[!D]*"] })
            )]),
        ),
        (
            "one table denied",
            json!([
                deletes(json!({})),
                deny(json!({ "Resource": "arn:aws:dynamodb:eu-central-1:444455556666:table/a" }))
            ]),
        ),
        ("another service's denied", json!([deletes(json!({})), deny(json!({ "Resource": "arn:aws:s3:::*" }))])),
        (
            "all but some denied",
            json!([deletes(json!({})), deny(json!({ "Action": null, "NotAction": "dynamodb:*" }))]),
        ),
        ("all but others denied", json!([deletes(json!({})), deny(json!({ "Action": null, "NotAction": "s3:*" }))])),
        ("all of others denied", json!([deletes(json!({})), deny(json!({ "Resource": null, "NotResource": TABLES }))])),
        (
            "denied by address",
            json!([
                deletes(json!({})),
                deny(json!({ "Condition": { "NotIpAddress": { "aws:SourceIp": "10.0.0.0/8" } } }))
            ]),
        ),
        (
            "allowed by tag",
            json!([deletes(json!({ "Condition": {
            "StringEquals": { "aws:RequestedRegion": "eu-central-1", "aws:ResourceTag/env": "dev" } } }))]),
        ),
        (
            "more, and that denied",
            json!([
                deletes(json!({ "Action": ["dynamodb:DeleteTable", "dynamodb:DeleteBackup"] })),
                deny(json!({ "Action": "dynamodb:DeleteB*" }))
            ]),
        ),
        (
            "more, denied by a tag",
            json!([
                deletes(json!({ "Action": ["dynamodb:DeleteTable", "dynamodb:DeleteBackup"] })),
                deny(
                    json!({ "Action": "dynamodb:DeleteB*", "Condition": { "StringEquals": { "aws:ResourceTag/env": "prod" } } })
                )
            ]),
        ),
    ];
    // A boundary that lets more through, so that what the policies allow shows.
    let wide = json!([{ "Effect": "Allow", "Action": "dynamodb:Delete*", "Resource": "*" }]);
    let of_the_boundary = fixture.with_boundary(wide);
    let all = cases.map(|(name, statements)| {
        let told = fixture.with_policies(statements);
        let lines: Vec<&str> = told.lines().filter(|line| *line != of_the_boundary).collect();
        format!("{name}\n{}", lines.join("\n"))
    });
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn the_boundary_must_allow_what_is_needed_and_nothing_else() {
    let mut fixture = Fixture::new();
    let allow = |actions: Value| json!([{ "Effect": "Allow", "Action": actions, "Resource": "*" }]);
    let cases = [
        ("nothing", json!([])),
        ("as generated", allow(json!("dynamodb:DeleteTable"))),
        ("everything", allow(json!("*"))),
        ("everything but IAM", json!([{ "Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*" }])),
        ("another service", allow(json!("s3:*"))),
        (
            "more, and that denied",
            json!([
                { "Effect": "Allow", "Action": "dynamodb:Delete*", "Resource": "*" },
                { "Effect": "Deny", "NotAction": "dynamodb:DeleteTable", "Resource": "*" },
            ]),
        ),
        (
            "with a second factor",
            json!([{ "Effect": "Allow", "Action": "dynamodb:DeleteTable", "Resource": "*",
            "Condition": { "NumericLessThan": { "aws:MultiFactorAuthAge": "300" } } }]),
        ),
    ];
    let mut all = cases.map(|(name, statements)| format!("{name}\n{}", fixture.with_boundary(statements))).to_vec();
    fixture.role.boundary = Some(Bounds {
        of_aws: Some("PowerUserAccess".to_owned()),
        policy: policy("PowerUserAccess", allow(json!("*"))),
    });
    all.push(format!("AWS's\n{}", fixture.differences()));
    fixture.role.boundary = None;
    all.push(format!("none\n{}", fixture.differences()));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn boundaries_of_roles_for_families_are_judged_too() {
    let bench = shipped();
    let needs = bench.needs(Families::All);
    let role = bench.role(&needs.change, Purpose::Change).unwrap();
    let mut change = deployed(&role);
    let everything = policy("mine", json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]));
    change.boundary = Some(Bounds { of_aws: None, policy: everything });
    let mut all = vec![told(&bench.compare(&change, &needs.change, Purpose::Change))];
    let reading = bench.role(&needs.read, Purpose::Read).unwrap();
    for of_aws in [None, Some("ReadOnlyAccess"), Some("AdministratorAccess")] {
        let mut read = deployed(&reading);
        let bounds = read.boundary.unwrap();
        read.boundary = Some(Bounds { of_aws: of_aws.map(str::to_owned), policy: bounds.policy });
        all.push(format!("{of_aws:?}\n{}", told(&bench.compare(&read, &needs.read, Purpose::Read))));
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn the_conditions_that_tools_need_an_action_under_are_required() {
    let mut fixture = Fixture::new();
    let mut needs = RoleNeeds::default();
    let own = ("StringLike".to_owned(), "aws:ResourceTag/env".to_owned(), vec!["dev".to_owned(), "test-*".to_owned()]);
    needs.add(
        "dynamodb_delete_table",
        super::super::needs::Permission {
            conditions: [own].into(),
            regions: ["eu-central-1".to_owned()].into(),
            resource: TABLES.to_owned(),
            action: "dynamodb:DeleteTable".to_owned(),
        },
    );
    let mut text = String::new();
    for tag in [
        json!({}),
        json!({ "StringLike": { "aws:ResourceTag/env": ["dev", "test-*"] } }),
        json!({ "StringEquals": { "aws:ResourceTag/env": "dev" } }),
        json!({ "StringLikeIfExists": { "aws:ResourceTag/env": ["dev", "test-*"] } }),
        json!({ "StringLike": { "aws:ResourceTag/env": "*" } }),
        json!({ "StringNotEquals": { "aws:ResourceTag/env": "prod" } }),
    ] {
        let mut condition = json!({ "StringEquals": { "aws:RequestedRegion": "eu-central-1" } });
        for (operator, keys) in tag.as_object().unwrap() {
            for (key, values) in keys.as_object().unwrap() {
                condition[operator][key] = values.clone();
            }
        }
        fixture.role.policies = vec![policy("tables", json!([deletes(json!({ "Condition": condition }))]))];
        text += &format!("{tag}\n{}\n\n", told(&fixture.bench.compare(&fixture.role, &needs, Purpose::Change)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_role_must_be_the_one_that_is_configured() {
    let mut fixture = Fixture::new();
    fixture.bench.account.change_role = Some("arn:aws:iam::444455556666:role/agents/shop-change".to_owned());
    let mut all = Vec::new();
    for arn in [
        "arn:aws:iam::444455556666:role/agents/shop-change",
        "arn:aws:iam::444455556666:role/shop-change",
        "arn:aws:iam::121212121212:role/agents/shop-change",
    ] {
        fixture.role.arn = arn.to_owned();
        let told = fixture.differences();
        // the generated boundary is the named role's
        all.push(told);
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn a_role_that_has_grown_is_told_with_all_it_can_do() {
    let bench = only(&[
        "autoscaling_set_desired_capacity",
        "cloudformation_delete_stack",
        "dynamodb_delete_table",
        "ec2_start_instances",
        "ec2_stop_instances",
        "ec2_terminate_instances",
        "lambda_delete_function",
        "rds_delete_db_instance",
        "s3_delete_bucket",
        "s3_delete_object",
    ]);
    let needs = bench.needs(Families::None);
    let [_, change] = bench.roles(Families::None);
    let grown = Deployed {
        trust: policy("trust", json!([{ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }])),
        policies: vec![policy(
            "grown",
            json!([
                { "Effect": "Allow", "Action": ["ec2:*", "iam:PassRole"], "Resource": "*" },
                { "Effect": "Allow", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::*",
                  "Condition": { "StringEquals": { "aws:RequestedRegion": "eu-central-1" } } },
                { "Effect": "Allow", "Action": "rds:*", "Resource": "*",
                  "Condition": { "Bool": { "aws:MultiFactorAuthPresent": "true" } } },
                { "Effect": "Deny", "Action": "rds:Add*", "Resource": "*" },
            ]),
        )],
        managed: vec!["PowerUserAccess".to_owned()],
        boundary: None,
        ..deployed(&change)
    };
    insta::assert_snapshot!(told(&bench.compare(&grown, &needs.change, Purpose::Change)));
}
