//! From a service's model to descriptions of schemas.

use std::collections::HashMap;
use std::sync::Arc;

use aws_smithy_schema::{ShapeType, intern_header_name, traits};

use super::stack::{Schemas, Spec, Trait};
use super::{Element, Graph, MemberNode, Node, NodeIndex, NodeKind, SchemaIndex};
use crate::aws::models::ModelError;
use crate::aws::operation::OperationModel;
use crate::aws::service::{Protocol, ServiceModel};
use crate::aws::shape::{Location, Member, ShapeKind, ShapeModel, ShapeRef, TimestampFormat, Wire};

pub(super) struct Builder<'s> {
    service: &'s ServiceModel,
    protocol: Protocol,
    specs: Vec<Spec>,
    nodes: Vec<Option<Node>>,
    by_name: HashMap<String, NodeIndex>,
    elements: HashMap<(String, &'static str), SchemaIndex>,
    depth: usize,
    writes: bool,
}

/// Structures of structures, and lists of lists, end somewhere in every real model.
const DEEPEST: usize = 256;

/// Where a schema stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    Member { name: &'a str, at: usize, payload: bool },
    Element { name: &'static str, at: usize },
}

impl<'s> Builder<'s> {
    pub(super) fn new(service: &'s ServiceModel) -> Self {
        Self {
            service,
            protocol: service.metadata().protocol().unwrap_or(Protocol::Json),
            specs: Vec::new(),
            nodes: Vec::new(),
            by_name: HashMap::new(),
            elements: HashMap::new(),
            depth: 0,
            writes: false,
        }
    }

    pub(super) fn input(mut self, operation: &OperationModel) -> Result<Graph, ModelError> {
        self.writes = true;
        let Some(input) = &operation.input else { return self.nothing(&operation.name, Some(operation)) };
        let root = self.node(&input.shape)?;
        let shape = self.service.shape(&input.shape)?;
        let members = self.members_of(root);
        let mut spec = Spec::new(&input.shape, ShapeType::Structure, members);
        self.bind(&mut spec, operation, &shape);
        match shape.wire.location_name.as_ref().or(input.wire.location_name.as_ref()) {
            Some(name) => spec.traits.push(Trait::XmlName(name.clone())),
            None => spec.traits.push(Trait::OriginalName(input.shape.clone())),
        }
        if let Some(namespace) = input.wire.xml_namespace.as_ref().or(shape.wire.xml_namespace.as_ref()) {
            spec.traits.push(Trait::XmlNamespace(namespace.clone()));
        }
        let outside = |member: &Member| !matches!(member.wire.location, None | Some(Location::StatusCode));
        if !shape.members().is_empty() && shape.members().iter().all(outside) {
            spec.traits.push(Trait::NoBodyMembers);
        }
        let schema = self.add(spec);
        self.finish(root, schema)
    }

    pub(super) fn output(mut self, operation: &OperationModel) -> Result<Graph, ModelError> {
        let Some(output) = &operation.output else { return self.nothing(&operation.name, None) };
        let root = self.node(&output.shape)?;
        let mut schema = self.schema_of(root);
        // the one answer of S3's without an element of its own around it (Smithy's s3UnwrappedXmlOutput)
        if self.service.name() == "s3" && operation.name == "GetBucketLocation" {
            let mut spec = Spec::new(&output.shape, ShapeType::Structure, self.members_of(root));
            spec.traits.push(Trait::Unwrapped);
            schema = self.add(spec);
        }
        self.finish(root, schema)
    }

    pub(super) fn shape(mut self, shape: &str) -> Result<Graph, ModelError> {
        let root = self.node(shape)?;
        let schema = self.schema_of(root);
        self.finish(root, schema)
    }

    fn nothing(mut self, name: &str, operation: Option<&OperationModel>) -> Result<Graph, ModelError> {
        let mut spec = Spec::new(name, ShapeType::Structure, Vec::new());
        if let (Some(operation), true) = (operation, self.protocol.is_rest()) {
            spec.traits.push(Trait::Http {
                method: operation.http.method.clone(),
                uri: operation.http.request_uri.clone(),
                code: operation.http.response_code,
            });
        }
        let schema = self.add(spec);
        let kind = NodeKind::Structure(Vec::new());
        self.nodes.push(Some(Node { name: name.to_owned(), kind, schema, timestamp_format: None }));
        self.finish(NodeIndex(0), schema)
    }

    fn finish(self, root: NodeIndex, root_schema: SchemaIndex) -> Result<Graph, ModelError> {
        let misread = || ModelError::Misread {
            service: self.service.name().to_owned(),
            item: "schemas".to_owned(),
            reason: "a schema stands before one that it needs".to_owned(),
        };
        let schemas = Schemas::build(self.specs).ok_or_else(misread)?;
        let nodes = self.nodes.into_iter().collect::<Option<Vec<_>>>().ok_or_else(misread)?;
        Ok(Graph { root, root_schema, nodes, schemas })
    }

    /// Puts the operation's method and path on its input. Labels have the members' wire names; the SDK wants the names.
    fn bind(&self, spec: &mut Spec, operation: &OperationModel, shape: &ShapeModel) {
        if !self.protocol.is_rest() || operation.http.request_uri.is_empty() {
            return;
        }
        let mut uri = operation.http.request_uri.clone();
        // s3's endpoint rules put the bucket into the address (botocore: `remove_bucket_from_url_paths_from_model`)
        if self.service.name() == "s3"
            && let Some(rest) = uri.strip_prefix("/{Bucket}")
        {
            uri = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        }
        for member in shape.members() {
            if let (Some(Location::Uri), Some(label)) = (member.wire.location, &member.wire.location_name) {
                let name = &member.name;
                uri = uri.replace(&format!("{{{label}}}"), &format!("{{{name}}}"));
                uri = uri.replace(&format!("{{{label}+}}"), &format!("{{{name}+}}"));
            }
        }
        let (method, code) = (operation.http.method.clone(), operation.http.response_code);
        spec.traits.push(Trait::Http { method, uri, code });
    }

    fn add(&mut self, spec: Spec) -> SchemaIndex {
        self.specs.push(spec);
        SchemaIndex(self.specs.len() - 1)
    }

    fn node(&mut self, name: &str) -> Result<NodeIndex, ModelError> {
        if let Some(known) = self.by_name.get(name) {
            return Ok(*known);
        }
        let shape = self.service.shape(name)?;
        self.deeper(name)?;
        let index = NodeIndex(self.nodes.len());
        self.nodes.push(None);
        self.by_name.insert(name.to_owned(), index);
        let (kind, schema) = match &shape.kind {
            ShapeKind::Structure { payload, .. } => self.structure(&shape, payload.as_deref())?,
            ShapeKind::List { member, .. } => {
                let schema = self.element(&shape, "member", 0, member)?;
                let mut spec = Spec::new(name, ShapeType::List, vec![schema.0]);
                spec.traits.extend(shape.wire.flattened.then_some(Trait::Flattened));
                let node = self.node(&member.shape)?;
                (NodeKind::List(Element { node, schema }), self.add(spec))
            }
            ShapeKind::Map { key, value, .. } => {
                let key = self.element(&shape, "key", 0, key)?;
                let schema = self.element(&shape, "value", 1, value)?;
                let mut spec = Spec::new(name, ShapeType::Map, vec![key.0, schema.0]);
                spec.traits.extend(shape.wire.flattened.then_some(Trait::Flattened));
                let node = self.node(&value.shape)?;
                (NodeKind::Map(Element { node, schema }), self.add(spec))
            }
            simple => {
                let mut spec = Spec::new(name, shape_type(simple), Vec::new());
                spec.traits.extend(shape.wire.timestamp_format.map(|format| Trait::Timestamp(format.into())));
                (node_kind(simple), self.add(spec))
            }
        };
        let timestamp_format = shape.wire.timestamp_format;
        if let Some(place) = self.nodes.get_mut(index.0) {
            *place = Some(Node { name: name.to_owned(), kind, schema, timestamp_format });
        }
        self.depth -= 1;
        Ok(index)
    }

    fn structure(&mut self, shape: &ShapeModel, payload: Option<&str>) -> Result<(NodeKind, SchemaIndex), ModelError> {
        let mut members = Vec::with_capacity(shape.members().len());
        for (at, member) in shape.members().iter().enumerate() {
            let is_payload = payload == Some(member.name.as_str());
            let reference = ShapeRef { shape: member.shape.clone(), wire: member.wire.clone() };
            let place = Place::Member { name: &member.name, at, payload: is_payload };
            let schema = self.place(place, &reference)?;
            let node = self.node(&member.shape)?;
            let target = self.service.shape(&member.shape)?;
            let ec2 = || capitalized(member.wire.location_name.as_deref().unwrap_or(&member.name));
            members.push(MemberNode {
                name: member.name.clone(),
                node,
                schema,
                payload_schema: self.payload_schema(is_payload, node, &target),
                ec2_name: member.wire.query_name.clone().unwrap_or_else(ec2),
                idempotency_token: member.idempotency_token,
                payload: is_payload,
                streaming: member.wire.streaming || target.wire.streaming || (is_payload && target.wire.eventstream),
                jsonvalue: member.wire.jsonvalue || target.wire.jsonvalue,
            });
        }
        let mut spec = Spec::new(&shape.name, structure_type(shape), members.iter().map(|m| m.schema.0).collect());
        spec.traits.extend(shape.wire.location_name.clone().map(Trait::XmlName));
        spec.traits.extend(shape.wire.xml_namespace.clone().map(Trait::XmlNamespace));
        Ok((NodeKind::Structure(members), self.add(spec)))
    }

    /// A structure that is a whole JSON body is written by a schema that knows its members.
    fn payload_schema(&mut self, is_payload: bool, node: NodeIndex, target: &ShapeModel) -> Option<SchemaIndex> {
        let structure = matches!(self.nodes.get(node.0)?.as_ref()?.kind, NodeKind::Structure(_));
        if !is_payload || self.protocol != Protocol::RestJson || !structure {
            return None;
        }
        let mut spec = Spec::new(&target.name, structure_type(target), self.members_of(node));
        spec.traits.push(Trait::Payload);
        Some(self.add(spec))
    }

    fn element(
        &mut self,
        container: &ShapeModel,
        name: &'static str,
        at: usize,
        reference: &ShapeRef,
    ) -> Result<SchemaIndex, ModelError> {
        let key = (container.name.clone(), name);
        if let Some(known) = self.elements.get(&key) {
            return Ok(*known);
        }
        let schema = self.place(Place::Element { name, at }, reference)?;
        self.elements.insert(key, schema);
        Ok(schema)
    }

    fn place(&mut self, place: Place<'_>, reference: &ShapeRef) -> Result<SchemaIndex, ModelError> {
        let target = self.service.shape(&reference.shape)?;
        self.deeper(&reference.shape)?;
        let children = match &target.kind {
            ShapeKind::List { member, .. } => vec![self.element(&target, "member", 0, member)?.0],
            ShapeKind::Map { key, value, .. } => {
                vec![self.element(&target, "key", 0, key)?.0, self.element(&target, "value", 1, value)?.0]
            }
            _ => vec![],
        };
        self.depth -= 1;
        let (name, at) = match place {
            Place::Member { name, at, .. } => (name, at),
            Place::Element { name, at } => (name, at),
        };
        let mut spec = Spec::new(&format!("{}${name}", reference.shape), shape_type(&target.kind), children);
        if let ShapeKind::Structure { .. } = target.kind {
            spec.kind = structure_type(&target);
        }
        spec.member = Some((name.to_owned(), at));
        spec.traits = self.traits(place, &reference.wire, &target);
        Ok(self.add(spec))
    }

    fn traits(&self, place: Place<'_>, wire: &Wire, target: &Arc<ShapeModel>) -> Vec<Trait> {
        let (of_target, flattened) = (&target.wire, wire.flattened || target.wire.flattened);
        let mut traits = Vec::new();
        let format = wire.timestamp_format.or(of_target.timestamp_format);
        traits.extend(format.map(|format| Trait::Timestamp(format.into())));
        let mut namespace = wire.xml_namespace.clone();
        match place {
            Place::Member { name, payload, .. } => {
                traits.extend(self.location(name, payload, wire, target));
                if payload {
                    traits.push(Trait::Payload);
                }
                if payload || (self.writes && matches!(target.kind, ShapeKind::Structure { .. })) {
                    namespace = namespace.or_else(|| of_target.xml_namespace.clone());
                }
                traits.extend((wire.jsonvalue || of_target.jsonvalue).then_some(Trait::JsonInText));
                traits.extend((wire.streaming || of_target.streaming).then_some(Trait::Streaming));
            }
            Place::Element { .. } if self.protocol.is_xml() => {
                traits.extend(wire.location_name.clone().map(Trait::XmlName));
            }
            Place::Element { .. } => {}
        }
        traits.extend(flattened.then_some(Trait::Flattened));
        traits.extend((wire.xml_attribute || of_target.xml_attribute).then_some(Trait::XmlAttribute));
        traits.extend(namespace.map(Trait::XmlNamespace));
        traits.extend(target.sensitive.then_some(Trait::Sensitive));
        traits
    }

    fn location(&self, name: &str, payload: bool, wire: &Wire, target: &ShapeModel) -> Option<Trait> {
        let wire_name = || wire.location_name.as_deref().unwrap_or(name);
        match wire.location {
            Some(Location::Header) => Some(Trait::Header(intern_header_name(&wire_name().to_ascii_lowercase()))),
            Some(Location::Headers) => Some(Trait::PrefixHeaders(wire.location_name.clone().unwrap_or_default())),
            Some(Location::Uri) => Some(Trait::Label),
            Some(Location::Querystring) => match target.kind {
                ShapeKind::Map { .. } => Some(Trait::QueryParams),
                _ => Some(Trait::Query(wire_name().to_owned())),
            },
            Some(Location::StatusCode) => Some(Trait::ResponseCode),
            None if !self.protocol.is_xml() => wire.location_name.clone().map(Trait::JsonName),
            None => {
                let own = wire.location_name.clone();
                // as botocore does it: a flat list is read (and in queries written) under its elements' name
                let by_element = match self.protocol {
                    Protocol::RestXml => !self.writes,
                    Protocol::Ec2 => false,
                    _ => true,
                };
                let flattened = wire.flattened || target.wire.flattened;
                let named = match &target.kind {
                    ShapeKind::List { member, .. } if flattened && by_element => {
                        member.wire.location_name.clone().or(own)
                    }
                    _ => own,
                };
                let of_shape = || payload.then(|| target.wire.location_name.clone()).flatten();
                named.or_else(of_shape).map(Trait::XmlName)
            }
        }
    }

    fn members_of(&self, node: NodeIndex) -> Vec<usize> {
        match self.nodes.get(node.0).and_then(|node| Some(&node.as_ref()?.kind)) {
            Some(NodeKind::Structure(members)) => members.iter().map(|member| member.schema.0).collect(),
            _ => Vec::new(),
        }
    }

    fn schema_of(&self, node: NodeIndex) -> SchemaIndex {
        let known = self.nodes.get(node.0).and_then(|node| Some(node.as_ref()?.schema));
        known.unwrap_or(SchemaIndex(usize::MAX))
    }

    fn deeper(&mut self, shape: &str) -> Result<(), ModelError> {
        self.depth += 1;
        if self.depth <= DEEPEST {
            return Ok(());
        }
        Err(ModelError::Misread {
            service: self.service.name().to_owned(),
            item: shape.to_owned(),
            reason: "it is nested too deeply".to_owned(),
        })
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn structure_type(shape: &ShapeModel) -> ShapeType {
    match shape.kind {
        ShapeKind::Structure { union: true, .. } => ShapeType::Union,
        _ => ShapeType::Structure,
    }
}

fn shape_type(kind: &ShapeKind) -> ShapeType {
    match kind {
        ShapeKind::Structure { .. } => ShapeType::Structure,
        ShapeKind::Document => ShapeType::Document,
        ShapeKind::List { .. } => ShapeType::List,
        ShapeKind::Map { .. } => ShapeType::Map,
        ShapeKind::String { .. } => ShapeType::String,
        ShapeKind::Integer(_) => ShapeType::Integer,
        ShapeKind::Long(_) => ShapeType::Long,
        ShapeKind::Float(_) => ShapeType::Float,
        ShapeKind::Double(_) => ShapeType::Double,
        ShapeKind::Boolean => ShapeType::Boolean,
        ShapeKind::Blob(_) => ShapeType::Blob,
        ShapeKind::Timestamp => ShapeType::Timestamp,
    }
}

fn node_kind(simple: &ShapeKind) -> NodeKind {
    match simple {
        ShapeKind::Integer(_) => NodeKind::Integer,
        ShapeKind::Long(_) => NodeKind::Long,
        ShapeKind::Float(_) => NodeKind::Float,
        ShapeKind::Double(_) => NodeKind::Double,
        ShapeKind::Boolean => NodeKind::Boolean,
        ShapeKind::Blob(_) => NodeKind::Blob,
        ShapeKind::Timestamp => NodeKind::Timestamp,
        ShapeKind::String { .. } => NodeKind::String,
        _ => NodeKind::Document,
    }
}

impl From<TimestampFormat> for traits::TimestampFormat {
    fn from(format: TimestampFormat) -> Self {
        match format {
            TimestampFormat::DateTime => Self::DateTime,
            TimestampFormat::EpochSeconds => Self::EpochSeconds,
            TimestampFormat::HttpDate => Self::HttpDate,
        }
    }
}
