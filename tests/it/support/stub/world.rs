//! What the stub has: EC2 instances and DynamoDB tables, and the answers of a cloud that has nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::http::{Reply, Request};

/// An EC2 instance of the stub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) kind: String,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Instance {
    /// A running instance without tags.
    pub(crate) fn running(id: &str) -> Self {
        Self { id: id.to_owned(), state: "running".to_owned(), kind: "t3.small".to_owned(), tags: BTreeMap::new() }
    }

    pub(crate) fn stopped(id: &str) -> Self {
        Self { state: "stopped".to_owned(), ..Self::running(id) }
    }

    pub(crate) fn tagged(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// The secrets of all sessions.
pub(crate) const SESSION_SECRET: &str = "planted-session-secret";
pub(crate) const SESSION_TOKEN: &str = "planted-session-token";

/// What the stub keeps as a secret, and what it answers where secrets stand.
pub(crate) const KEPT_SECRET: &str = "planted-kept-secret";

/// Where the stub's tables and backups are.
const BACKUPS: &str = "arn:aws:dynamodb:eu-central-1:210987654321:table";

/// A DynamoDB table of the stub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Table {
    /// A table without tags.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), tags: BTreeMap::new() }
    }

    pub(crate) fn tagged(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }
}

#[derive(Clone, Default)]
pub(crate) struct World {
    instances: BTreeMap<String, Instance>,
    tables: BTreeMap<String, Table>,
    /// By their ARNs: what was backed up.
    backups: BTreeMap<String, Table>,
    /// By operation: what a test made up.
    told: BTreeMap<String, String>,
    sessions: u32,
}

impl World {
    pub(crate) fn put(&mut self, instance: Instance) {
        self.instances.insert(instance.id.clone(), instance);
    }

    pub(crate) fn put_table(&mut self, table: Table) {
        self.tables.insert(table.name.clone(), table);
    }

    pub(crate) fn tell(&mut self, operation: &str, body: &str) {
        self.told.insert(operation.to_owned(), body.to_owned());
    }

    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    pub(crate) fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.get(id)
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        if request.is_dry_run() {
            return ec2_error(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
        }
        if let Some(body) = self.told.get(&request.operation) {
            return Reply::ok(body.clone());
        }
        match request.operation.as_str() {
            "AssumeRole" => self.assume_role(request),
            "DescribeInstances" => self.describe(request),
            "DescribeInstanceAttribute" => ec2_answer(
                "DescribeInstanceAttribute",
                "<disableApiTermination><value>false</value></disableApiTermination>",
            ),
            "StartInstances" => self.turn(request, "running"),
            "StopInstances" => self.turn(request, "stopped"),
            "TerminateInstances" => self.turn(request, "terminated"),
            "DescribeTable" | "ListTagsOfResource" | "ListBackups" | "DeleteTable" | "CreateBackup" => {
                self.dynamodb(request)
            }
            "DescribeBackup" | "RestoreTableFromBackup" => self.backup(request),
            "DescribeVolumes" => ec2_answer("DescribeVolumes", "<volumeSet/>"),
            "DescribeAutoScalingInstances" => Reply::ok(
                "<DescribeAutoScalingInstancesResponse><DescribeAutoScalingInstancesResult><AutoScalingInstances/>\
                 </DescribeAutoScalingInstancesResult></DescribeAutoScalingInstancesResponse>"
                    .to_owned(),
            ),
            "GetSecretValue" => Reply::ok(format!("{{\"Name\":\"orders\",\"SecretString\":\"{KEPT_SECRET}\"}}")),
            "GetParameter" => Reply::ok(format!(
                "{{\"Parameter\":{{\"Name\":\"orders\",\"Type\":\"SecureString\",\"Value\":\"{KEPT_SECRET}\"}}}}"
            )),
            // As AWS does where an argument breaks a rule.
            "CreateSecret" | "PutParameter" => Reply::error(
                400,
                format!("{{\"__type\":\"ValidationException\",\"message\":\"not this: {}\"}}", argument_texts(request)),
            ),
            other if request.json.is_null() => ec2_error(400, "InvalidAction", &format!("the stub has no {other}")),
            other => Reply::error(400, format!("{{\"__type\":\"UnknownOperationException\",\"message\":\"{other}\"}}")),
        }
    }

    /// Each session has a key of its own that tells its role and number.
    fn assume_role(&mut self, request: &Request) -> Reply {
        self.sessions += 1;
        let role = request.field("RoleArn").unwrap_or_default();
        let name = role.rsplit('/').next().unwrap_or_default();
        let (session, number) = (request.field("RoleSessionName").unwrap_or_default(), self.sessions);
        Reply::ok(format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>ASIA-{name}-{number}</AccessKeyId><SecretAccessKey>{SESSION_SECRET}</SecretAccessKey>\
             <SessionToken>{SESSION_TOKEN}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
             <AssumedRoleUser><AssumedRoleId>AROA:{session}</AssumedRoleId><Arn>{role}</Arn></AssumedRoleUser>\
             </AssumeRoleResult><ResponseMetadata><RequestId>req-stub</RequestId></ResponseMetadata></AssumeRoleResponse>"
        ))
    }

    fn describe(&self, request: &Request) -> Reply {
        let asked = request.list("InstanceId");
        if let Some(unknown) = asked.iter().find(|id| !self.instances.contains_key(**id)) {
            let message = format!("The instance ID '{unknown}' does not exist");
            return ec2_error(400, "InvalidInstanceID.NotFound", &message);
        }
        let mut items = String::new();
        for instance in self.instances.values().filter(|one| asked.is_empty() || asked.contains(&one.id.as_str())) {
            let Instance { id, state, kind, tags } = instance;
            let tags: String = tags.iter().fold(String::new(), |mut text, (key, value)| {
                let _ = write!(text, "<item><key>{}</key><value>{}</value></item>", escaped(key), escaped(value));
                text
            });
            let _ = write!(
                items,
                "<item><reservationId>r-1</reservationId><instancesSet><item><instanceId>{id}</instanceId>\
                 <imageId>ami-1</imageId><instanceState><code>16</code><name>{state}</name></instanceState>\
                 <instanceType>{kind}</instanceType><rootDeviceType>ebs</rootDeviceType><tagSet>{tags}</tagSet></item>\
                 </instancesSet></item>"
            );
        }
        ec2_answer("DescribeInstances", &format!("<reservationSet>{items}</reservationSet>"))
    }

    /// Tags come on pages of one, as DynamoDB may cut them.
    fn dynamodb(&mut self, request: &Request) -> Reply {
        let name =
            request.json["TableName"].as_str().or_else(|| request.json["ResourceArn"].as_str()?.rsplit('/').next());
        let Some(table) = self.tables.get(name.unwrap_or_default()).cloned() else {
            let error = json!({ "__type": "ResourceNotFoundException", "message": "there is no such table" });
            return Reply::error(400, error.to_string());
        };
        let described = json!({ "TableName": table.name, "TableId": table.name, "TableStatus": "ACTIVE" });
        let answer = match request.operation.as_str() {
            "DescribeTable" => json!({ "Table": described }),
            "CreateBackup" => {
                let arn = format!("{BACKUPS}/{}/backup/{:014}-abcd1234", table.name, self.backups.len() + 1);
                self.backups.insert(arn.clone(), table);
                json!({ "BackupDetails": { "BackupArn": arn, "BackupStatus": "CREATING" } })
            }
            "ListBackups" => json!({ "BackupSummaries": [] }),
            "DeleteTable" => {
                self.tables.remove(&table.name);
                json!({ "TableDescription": described })
            }
            _ => {
                let page: usize = request.json["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
                let tag = |(key, value)| json!({ "Key": key, "Value": value });
                let tags: Vec<Value> = table.tags.iter().skip(page).take(1).map(tag).collect();
                let more = table.tags.len() > page + 1;
                json!({ "Tags": tags, "NextToken": more.then(|| (page + 1).to_string()) })
            }
        };
        Reply::ok(answer.to_string())
    }

    fn backup(&mut self, request: &Request) -> Reply {
        let arn = request.json["BackupArn"].as_str().unwrap_or_default().to_owned();
        let Some(table) = self.backups.get(&arn).cloned() else {
            let error = json!({ "__type": "BackupNotFoundException", "message": "there is no such backup" });
            return Reply::error(400, error.to_string());
        };
        let source =
            json!({ "TableName": table.name, "TableId": table.name, "TableArn": format!("{BACKUPS}/{}", table.name) });
        let details = json!({ "BackupArn": arn, "BackupStatus": "AVAILABLE" });
        if request.operation == "RestoreTableFromBackup" {
            let name = request.json["TargetTableName"].as_str().unwrap_or_default();
            self.put_table(Table::named(name));
            return Reply::ok(json!({ "TableDescription": { "TableName": name } }).to_string());
        }
        let description = json!({ "BackupDetails": details, "SourceTableDetails": source });
        Reply::ok(json!({ "BackupDescription": description }).to_string())
    }

    fn turn(&mut self, request: &Request, state: &str) -> Reply {
        let mut items = String::new();
        for id in request.list("InstanceId") {
            let Some(instance) = self.instances.get_mut(id) else {
                return ec2_error(400, "InvalidInstanceID.NotFound", "no such instance");
            };
            let before = std::mem::replace(&mut instance.state, state.to_owned());
            let _ = write!(
                items,
                "<item><instanceId>{id}</instanceId><currentState><code>0</code><name>{state}</name></currentState>\
                 <previousState><code>16</code><name>{before}</name></previousState></item>"
            );
        }
        ec2_answer(&request.operation, &format!("<instancesSet>{items}</instancesSet>"))
    }
}

fn argument_texts(request: &Request) -> String {
    let members = request.json.as_object().into_iter().flatten();
    members.filter_map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ")
}

fn ec2_answer(operation: &str, content: &str) -> Reply {
    Reply::ok(format!(
        "<{operation}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>req-stub</requestId>{content}\
         </{operation}Response>"
    ))
}

/// The answer to what is not carried out.
pub(super) fn refusal(request: &Request) -> Reply {
    if !request.json.is_null() {
        let error = json!({ "__type": "AccessDeniedException", "message": "you are not allowed to do this" });
        return Reply::error(400, error.to_string());
    }
    ec2_error(400, "IncorrectState", "The instance is not in a state from which it can be started.")
}

fn ec2_error(status: u16, code: &str, message: &str) -> Reply {
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Reply::error(status, format!("<Response><Errors>{error}</Errors><RequestID>req-stub</RequestID></Response>"))
}

/// Characters that XML 1.0 can't hold are left out; the rest is written as character references where it isn't plain.
fn escaped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || "\t\n\r".contains(*c)).fold(String::new(), |mut out, c| {
        if c.is_ascii_alphanumeric() || c == ' ' {
            out.push(c);
        } else {
            let _ = write!(out, "&#x{:x};", u32::from(c));
        }
        out
    })
}
