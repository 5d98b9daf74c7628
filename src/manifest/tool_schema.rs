//! How tools are made known to clients: JSON Schemas of what an agent may pass and of what it gets.
//!
//! Kept small, because a client puts all of them into the model's context: what the model of the service says is told
//! down to two levels, and validation says the rest when it matters.

use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::family::Family;
use super::spec::{InputMember, Tool};
use crate::aws::input_schema::{SchemaError, member_schema};
use crate::aws::models::Models;
use crate::call::arguments::{CURSOR, QUERY, TICKET};
use crate::call::listing::ToolListing;
use crate::config::{Account, TicketConfig};

/// Levels of structures that are told.
const DEPTH: usize = 2;

/// The tools and families of a catalog that are made known to clients, by name.
///
/// # Errors
/// Where a model can't be read; the catalog was compiled against the same models, so this means a damaged binary.
pub fn listings(
    catalog: &Catalog,
    models: &Models,
    accounts: &[Account],
    tickets: Option<&TicketConfig>,
) -> Result<Vec<ToolListing>, SchemaError> {
    let listed =
        catalog.heads().filter(|tool| catalog.is_listed(&tool.name)).filter_map(|tool| catalog.get(&tool.name));
    let tools = listed.map(|tool| of_tool(tool, models, accounts, tickets));
    let families = catalog.families().map(|family| Ok(of_family(family, accounts, tickets)));
    tools.chain(families).collect()
}

/// One tool as clients see it.
///
/// # Errors
/// As [`listings`].
pub fn of_tool(
    tool: &Tool,
    models: &Models,
    accounts: &[Account],
    tickets: Option<&TicketConfig>,
) -> Result<ToolListing, SchemaError> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let (_, operation) = models.operation(&tool.operation)?;
    let model_requires = |name: &str| -> Result<bool, SchemaError> {
        let Some(input) = &operation.input else { return Ok(false) };
        let shape = models.service(tool.operation.service())?.shape(&input.shape)?;
        Ok(shape.member(name).is_some_and(|member| member.required))
    };
    for input in &tool.input {
        let schema = member_schema(models, &tool.operation, &input.member, DEPTH)?;
        properties.insert(input.member.clone(), narrowed(schema, input));
        if input.required || model_requires(&input.member)? {
            required.push(input.member.clone());
        }
    }
    let changes = tool.effect.changes() || tool.effect.needs_preview();
    common(accounts, changes, &mut properties, &mut required);
    if changes {
        ticket(tickets, &mut properties);
    }
    Ok(ToolListing {
        name: tool.name.clone(),
        title: tool.title.clone(),
        description: tool.summary.clone(),
        input_schema: object(properties, &required),
        output_schema: output(changes),
        effect: tool.effect,
        idempotent: !tool.effect.changes(),
    })
}

/// A family as clients see it.
pub fn of_family(family: &Family, accounts: &[Account], tickets: Option<&TicketConfig>) -> ToolListing {
    let mut properties = Map::new();
    properties.insert(
        "operation".to_owned(),
        json!({ "type": "string", "pattern": "^[a-z0-9-]+:[A-Za-z0-9]+$", "description": "such as ec2:DescribeVpcs" }),
    );
    properties.insert(
        "arguments".to_owned(),
        json!({ "type": "object", "description": "the operation's members, as in AWS's API; default {}" }),
    );
    let mut required = vec!["operation".to_owned()];
    common(accounts, family.changes(), &mut properties, &mut required);
    if family.changes() {
        ticket(tickets, &mut properties);
    }
    ToolListing {
        name: family.name().to_owned(),
        title: family.title().to_owned(),
        description: family.summary().to_owned(),
        input_schema: object(properties, &required),
        output_schema: output(family.changes()),
        effect: family.effect(),
        idempotent: !family.changes(),
    }
}

/// The arguments every tool has.
fn common(accounts: &[Account], changes: bool, properties: &mut Map<String, Value>, required: &mut Vec<String>) {
    let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    let mut regions: Vec<&str> = Vec::new();
    for region in accounts.iter().flat_map(|account| &account.regions) {
        if !regions.contains(&region.as_str()) {
            regions.push(region.as_str());
        }
    }
    if names.len() > 1 {
        required.push("account".to_owned());
    }
    properties.insert("account".to_owned(), json!({ "type": "string", "enum": names }));
    properties.insert(
        "region".to_owned(),
        json!({ "type": "string", "enum": regions, "description": "default: the account's first" }),
    );
    if !changes {
        properties.insert(
            QUERY.to_owned(),
            json!({ "type": "string", "description": "JMESPath over AWS's answer, instead of the usual columns" }),
        );
        properties.insert(
            CURSOR.to_owned(),
            json!({ "type": "string", "description": "of a cut result; with the same arguments goes on there" }),
        );
    }
    if changes {
        required.push("reason".to_owned());
        properties.insert(
            "reason".to_owned(),
            json!({ "type": "string", "minLength": 1, "maxLength": 500, "description": "why; shown to the person, recorded" }),
        );
        properties.insert(
            "dry_run".to_owned(),
            json!({ "type": "boolean", "default": true, "description": "true previews and changes nothing" }),
        );
        properties.insert(
            "plan_id".to_owned(),
            json!({ "type": "string", "description": "of the preview; with dry_run false" }),
        );
    }
}

/// Changes can name a ticket where the configuration says what tickets look like. Whether they must, policy says. The
/// pattern stands in the description, because clients read patterns in a dialect of their own.
fn ticket(tickets: Option<&TicketConfig>, properties: &mut Map<String, Value>) {
    if let Some(tickets) = tickets {
        let description = format!("the change's, never invented; matches {}", tickets.pattern());
        properties.insert(TICKET.to_owned(), json!({ "type": "string", "description": description }));
    }
}

/// Adds what the manifest narrows; what the model says stays where it is stricter.
fn narrowed(mut schema: Value, input: &InputMember) -> Value {
    let Value::Object(members) = &mut schema else { return schema };
    let narrow = &input.narrowing;
    for (key, least) in [("minItems", narrow.min_items.map(Value::from)), ("minimum", narrow.min.map(Value::from))] {
        if let Some(least) = least {
            tighten(members, key, least, |new, old| new > old);
        }
    }
    for (key, most) in [("maxItems", narrow.max_items.map(Value::from)), ("maximum", narrow.max.map(Value::from))] {
        if let Some(most) = most {
            tighten(members, key, most, |new, old| new < old);
        }
    }
    if let Some(description) = &input.description {
        members.insert("description".to_owned(), json!(description));
    }
    let each = match members.get_mut("items") {
        Some(Value::Object(items)) => items,
        _ => members,
    };
    if !narrow.one_of.is_empty() {
        each.insert("enum".to_owned(), json!(narrow.one_of));
    }
    if let Some(pattern) = &narrow.pattern {
        each.insert("pattern".to_owned(), json!(format!("^(?:{pattern})$")));
    }
    schema
}

fn tighten(members: &mut Map<String, Value>, key: &str, new: Value, stricter: impl Fn(f64, f64) -> bool) {
    let old = members.get(key).and_then(Value::as_f64);
    let takes = old.zip(new.as_f64()).is_none_or(|(old, new)| stricter(new, old));
    if takes {
        members.insert(key.to_owned(), new);
    }
}

fn object(properties: Map<String, Value>, required: &[String]) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn output(changes: bool) -> Map<String, Value> {
    let properties = match changes {
        true => json!({ "status": { "type": "string" }, "plan_id": { "type": "string" } }),
        false => json!({ "result": {} }),
    };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::iam::IamFacts;
    use crate::config::ManifestsConfig;
    use crate::names::{Region, Stage};

    fn account(name: &str, id: &str, stage: Stage) -> Account {
        Account {
            name: name.to_owned(),
            id: id.to_owned(),
            stage,
            regions: vec![Region::new("eu-central-1"), Region::new("us-east-1")],
            read_role: None,
            change_role: None,
            external_id: None,
        }
    }

    #[test]
    fn the_list_of_tools_is_small_and_as_it_was() {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
        let accounts =
            [account("shop-dev", "111122223333", Stage::Dev), account("shop-prod", "444455556666", Stage::Prod)];
        let listings = listings(&catalog, &models, &accounts, None).unwrap();
        assert!(listings.len() < 30);
        let shown = |tool: &ToolListing| {
            json!({
                "name": tool.name, "title": tool.title, "description": tool.description,
                "inputSchema": tool.input_schema, "outputSchema": tool.output_schema,
                "annotations": { "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": true },
            })
        };
        let size = serde_json::to_string(&listings.iter().map(shown).collect::<Vec<_>>()).unwrap().len();
        assert!(size < 24 * 1024, "{size} bytes");
        for tool in &listings {
            jsonschema::Validator::new(&Value::Object(tool.input_schema.clone())).unwrap();
        }
        let schemas: Map<String, Value> =
            listings.iter().map(|tool| (tool.name.clone(), Value::Object(tool.input_schema.clone()))).collect();
        insta::assert_json_snapshot!(schemas);
    }

    #[test]
    fn one_account_need_not_be_named() {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
        let tool = catalog.get("s3_delete_bucket").unwrap();
        let listing = of_tool(tool, &models, &[account("shop-dev", "111122223333", Stage::Dev)], None).unwrap();
        assert_eq!(listing.input_schema["required"], json!(["Bucket", "reason"]));
    }

    #[test]
    fn changes_can_name_a_ticket_where_there_are_tickets() {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
        let tickets = TicketConfig::new("(?i)CHG-[0-9]+").unwrap();
        let accounts = [account("shop-dev", "111122223333", Stage::Dev)];
        for listing in listings(&catalog, &models, &accounts, Some(&tickets)).unwrap() {
            let ticket = listing.input_schema["properties"].get("ticket");
            let changes = listing.effect.changes() || listing.effect.needs_preview();
            assert_eq!(ticket.is_some(), changes, "{}", listing.name);
            if let Some(ticket) = ticket {
                let description = "the change's, never invented; matches (?i)CHG-[0-9]+";
                assert_eq!(*ticket, json!({ "type": "string", "description": description }));
                assert!(!listing.input_schema["required"].as_array().unwrap().contains(&json!("ticket")));
            }
        }
    }
}
