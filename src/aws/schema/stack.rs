//! From descriptions of schemas to schemas that borrow each other, layer upon layer.

use std::collections::HashMap;

use aws_smithy_schema::traits::{HttpTrait, TimestampFormat};
use aws_smithy_schema::{Schema, ShapeId, ShapeType};
use self_cell::self_cell;

use crate::aws::shape::XmlNamespace;

self_cell!(
    /// All schemas of a graph by index.
    struct Index {
        owner: Base,
        #[covariant]
        dependent: References,
    }
);

type References<'a> = Vec<&'a Schema<'a>>;

self_cell!(
    struct Stack {
        owner: Base,
        #[covariant]
        dependent: Layer,
    }
);

/// What a layer stands on: a lower layer, or in the end the descriptions, which hold all names.
enum Base {
    Specs(Vec<Spec>),
    Stack(Box<Stack>),
}

/// Schemas that borrow only from below, or lists of references that structures in the layer above will borrow.
#[derive(Default)]
struct Layer<'a> {
    schemas: Vec<(usize, Schema<'a>)>,
    members: HashMap<usize, Vec<&'a Schema<'a>>>,
}

/// The schemas of a graph.
pub(super) struct Schemas(Index);

/// What a schema will be.
pub(super) struct Spec {
    /// `namespace#Shape`.
    id: String,
    /// Its name and position, where it is a member's.
    pub(super) member: Option<(String, usize)>,
    pub(super) kind: ShapeType,
    /// The schemas it borrows, by index: a list's element, a map's key and value, a structure's members.
    pub(super) children: Vec<usize>,
    pub(super) traits: Vec<Trait>,
    level: usize,
}

/// A trait of a schema.
pub(super) enum Trait {
    Timestamp(TimestampFormat),
    Header(&'static str),
    PrefixHeaders(String),
    Label,
    Query(String),
    QueryParams,
    ResponseCode,
    XmlName(String),
    JsonName(String),
    OriginalName(String),
    Payload,
    JsonInText,
    Streaming,
    Flattened,
    XmlAttribute,
    XmlNamespace(XmlNamespace),
    Sensitive,
    NoBodyMembers,
    Unwrapped,
    Http { method: String, uri: String, code: Option<u16> },
}

const NAMESPACE: &str = "aws.model";

impl Spec {
    pub(super) fn new(shape: &str, kind: ShapeType, children: Vec<usize>) -> Self {
        Self { id: format!("{NAMESPACE}#{shape}"), member: None, kind, children, traits: Vec::new(), level: 0 }
    }

    /// True where it borrows a list of its members, not the members themselves.
    fn is_structure(&self) -> bool {
        self.member.is_none() && matches!(self.kind, ShapeType::Structure | ShapeType::Union)
    }

    fn build<'a>(&'a self, below: &Below<'a>, index: usize) -> Option<Schema<'a>> {
        let id = ShapeId::from_parts(&self.id, NAMESPACE, self.id.get(NAMESPACE.len() + 1..)?);
        let child = |nth: usize| below.schemas.get(*self.children.get(nth)?).copied().flatten();
        let schema = match (&self.member, self.kind) {
            (Some((name, at)), ShapeType::List) => {
                Schema::new_member(id, ShapeType::List, name, *at).with_list_member(child(0)?)
            }
            (Some((name, at)), ShapeType::Map) => {
                Schema::new_member(id, ShapeType::Map, name, *at).with_map_members(child(0)?, child(1)?)
            }
            (Some((name, at)), kind) => Schema::new_member(id, kind, name, *at),
            (None, ShapeType::List) => Schema::new_list(id, child(0)?),
            (None, ShapeType::Map) => Schema::new_map(id, child(0)?, child(1)?),
            (None, kind @ (ShapeType::Structure | ShapeType::Union)) => {
                Schema::new_struct(id, kind, below.members.get(&index).copied()?)
            }
            (None, kind) => Schema::new(id, kind),
        };
        Some(self.traits.iter().fold(schema, |schema, one| one.put_on(schema)))
    }
}

impl Trait {
    fn put_on<'a>(&'a self, schema: Schema<'a>) -> Schema<'a> {
        match self {
            Self::Timestamp(format) => schema.with_timestamp_format(*format),
            Self::Header(name) => schema.with_http_header(name),
            Self::PrefixHeaders(prefix) => schema.with_http_prefix_headers(prefix),
            Self::Label => schema.with_http_label(),
            Self::Query(name) => schema.with_http_query(name),
            Self::QueryParams => schema.with_http_query_params(),
            Self::ResponseCode => schema.with_http_response_code(),
            Self::XmlName(name) => schema.with_xml_name(name),
            Self::JsonName(name) => schema.with_json_name(name),
            Self::OriginalName(name) => schema.with_original_name(name),
            Self::Payload => schema.with_http_payload(),
            Self::JsonInText => schema.with_media_type("application/json"),
            Self::Streaming => schema.with_streaming(),
            Self::Flattened => schema.with_xml_flattened(),
            Self::XmlAttribute => schema.with_xml_attribute(),
            Self::XmlNamespace(namespace) => schema.with_xml_namespace(&namespace.uri, namespace.prefix.as_deref()),
            Self::Sensitive => schema.with_sensitive(),
            Self::NoBodyMembers => schema.with_no_body_members(),
            Self::Unwrapped => schema.with_xml_unwrapped_output(),
            Self::Http { method, uri, code } => schema.with_http(HttpTrait::new(method, uri, *code)),
        }
    }
}

/// What a layer can borrow.
struct Below<'a> {
    specs: &'a [Spec],
    schemas: Vec<Option<&'a Schema<'a>>>,
    members: HashMap<usize, &'a [&'a Schema<'a>]>,
}

impl Base {
    fn below(&self) -> Below<'_> {
        match self {
            Self::Specs(specs) => Below { specs, schemas: vec![None; specs.len()], members: HashMap::new() },
            Self::Stack(stack) => {
                let mut below = stack.borrow_owner().below();
                let layer = stack.borrow_dependent();
                for (index, schema) in &layer.schemas {
                    if let Some(place) = below.schemas.get_mut(*index) {
                        *place = Some(schema);
                    }
                }
                below.members.extend(layer.members.iter().map(|(index, members)| (*index, members.as_slice())));
                below
            }
        }
    }

    fn with_layer(self, build: impl for<'a> FnOnce(&Below<'a>) -> Option<Layer<'a>>) -> Option<Self> {
        let stack = Stack::try_new(self, |base| build(&base.below()).ok_or(()));
        Some(Self::Stack(Box::new(stack.ok()?)))
    }
}

fn layer<'a>(below: &Below<'a>, wanted: impl Fn(&Spec) -> bool) -> Option<Layer<'a>> {
    let specs = below.specs.iter().enumerate().filter(|(_, spec)| wanted(spec));
    let schemas = specs.map(|(index, spec)| Some((index, spec.build(below, index)?)));
    Some(Layer { schemas: schemas.collect::<Option<_>>()?, members: HashMap::new() })
}

impl Schemas {
    /// Builds all schemas. `None` where a description borrows a schema that comes after it.
    pub(super) fn build(mut specs: Vec<Spec>) -> Option<Self> {
        let mut top = 0;
        let mut levels = Vec::with_capacity(specs.len());
        for spec in &mut specs {
            if !spec.is_structure() {
                for child in &spec.children {
                    spec.level = spec.level.max(1 + levels.get(*child)?);
                }
                top = top.max(spec.level);
            }
            levels.push(spec.level);
        }
        let mut base = Base::Specs(specs);
        for level in 0..=top {
            base = base.with_layer(|below| layer(below, |spec| !spec.is_structure() && spec.level == level))?;
        }
        base = base.with_layer(|below| {
            let structures = below.specs.iter().enumerate().filter(|(_, spec)| spec.is_structure());
            let members = structures.map(|(index, spec)| {
                let members = spec.children.iter().map(|child| below.schemas.get(*child).copied().flatten());
                Some((index, members.collect::<Option<Vec<_>>>()?))
            });
            Some(Layer { schemas: Vec::new(), members: members.collect::<Option<_>>()? })
        })?;
        base = base.with_layer(|below| layer(below, Spec::is_structure))?;
        let index = Index::try_new(base, |base| base.below().schemas.into_iter().collect::<Option<Vec<_>>>().ok_or(()));
        index.ok().map(Self)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Schema<'_>> {
        self.0.borrow_dependent().get(index).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow_dependent().len()
    }
}
