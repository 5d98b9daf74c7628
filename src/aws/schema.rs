//! Schema graphs: a model's shapes in the form that the SDK's codecs work with.
//!
//! The codecs want [`Schema`]s that borrow each other and cache derived data inside. A graph owns all schemas of its shapes,
//! in levels: a schema only borrows schemas of lower levels, so that a graph can be dropped as a whole and nothing leaks.
//! (Header names are the exception: the SDK wants them `'static` and interns each distinct one once.)

mod build;
mod stack;

use aws_smithy_schema::Schema;

use self::build::Builder;
use self::stack::Schemas;
use super::models::ModelError;
use super::operation::OperationModel;
use super::service::ServiceModel;
use super::shape::TimestampFormat;

/// A schema's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaIndex(usize);

/// A shape's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeIndex(usize);

/// All shapes that can be reached from one, with their schemas.
pub struct Graph {
    root: NodeIndex,
    root_schema: SchemaIndex,
    nodes: Vec<Node>,
    schemas: Schemas,
}

/// A shape.
#[derive(Debug)]
pub struct Node {
    /// The shape's name.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its schema, without the traits of any use of it.
    pub schema: SchemaIndex,
    /// How it writes moments, where a use of it doesn't say otherwise.
    pub timestamp_format: Option<TimestampFormat>,
}

/// What a shape is.
#[derive(Debug)]
pub enum NodeKind {
    /// An object.
    Structure(Vec<MemberNode>),
    /// Any JSON.
    Document,
    /// A list.
    List(Element),
    /// A map, by its values.
    Map(Element),
    /// Text.
    String,
    /// A 32-bit integer.
    Integer,
    /// A 64-bit integer.
    Long,
    /// A 32-bit floating-point number.
    Float,
    /// A 64-bit floating-point number.
    Double,
    /// True or false.
    Boolean,
    /// Bytes.
    Blob,
    /// A moment.
    Timestamp,
}

/// What a list or map holds.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Its shape.
    pub node: NodeIndex,
    /// Its schema inside of the list or map.
    pub schema: SchemaIndex,
}

/// A structure's member.
#[derive(Debug)]
pub struct MemberNode {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub node: NodeIndex,
    /// Its schema.
    pub schema: SchemaIndex,
    /// The schema to write it with where it is the whole body of a REST request.
    pub payload_schema: Option<SchemaIndex>,
    /// Its name in an ec2 query.
    pub ec2_name: String,
    /// It is filled in where the caller gives none.
    pub idempotency_token: bool,
    /// It is the whole body.
    pub payload: bool,
    /// AWS streams it.
    pub streaming: bool,
    /// JSON inside of a text.
    pub jsonvalue: bool,
}

impl Graph {
    /// The graph of an operation's input; its schema carries the operation's HTTP binding.
    pub fn of_input(service: &ServiceModel, operation: &OperationModel) -> Result<Self, ModelError> {
        Builder::new(service).input(operation)
    }

    /// The graph of an operation's output.
    pub fn of_output(service: &ServiceModel, operation: &OperationModel) -> Result<Self, ModelError> {
        Builder::new(service).output(operation)
    }

    /// The graph of a named shape, such as an error.
    pub fn of_shape(service: &ServiceModel, shape: &str) -> Result<Self, ModelError> {
        Builder::new(service).shape(shape)
    }

    /// The shape that the graph was built for.
    pub fn root(&self) -> Option<&Node> {
        self.node(self.root)
    }

    /// Its index.
    pub fn root_index(&self) -> NodeIndex {
        self.root
    }

    /// Its schema.
    pub fn root_schema(&self) -> Option<&Schema<'_>> {
        self.schema(self.root_schema)
    }

    /// A shape.
    pub fn node(&self, index: NodeIndex) -> Option<&Node> {
        self.nodes.get(index.0)
    }

    /// A schema.
    pub fn schema(&self, index: SchemaIndex) -> Option<&Schema<'_>> {
        self.schemas.get(index.0)
    }

    /// The members of the root; empty where it isn't a structure.
    pub fn root_members(&self) -> &[MemberNode] {
        match self.root().map(|node| &node.kind) {
            Some(NodeKind::Structure(members)) => members,
            _ => &[],
        }
    }

    /// Bytes of memory, estimated: a schema has about 600 with its text and what codecs cache on it.
    pub fn weight(&self) -> usize {
        (size_of::<Schema<'_>>() + 200) * self.schemas.len() + 100 * self.nodes.len()
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("root", &self.root().map(|node| &node.name)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::models::Models;

    #[test]
    fn every_operation_of_every_service_has_schemas() {
        let models = Models::bounded(8 << 20).unwrap();
        let names: Vec<&str> = models.services().collect();
        let (mut operations, mut heaviest) = (0, (0, String::new()));
        for name in names {
            let service = models.service(name).unwrap();
            for name in service.operation_names() {
                let operation = service.operation(name).unwrap();
                let input = Graph::of_input(&service, &operation).unwrap();
                let output = Graph::of_output(&service, &operation).unwrap();
                assert!(input.root_schema().is_some() && output.root_schema().is_some());
                let weight = input.weight() + output.weight();
                if weight > heaviest.0 {
                    heaviest = (weight, format!("{}:{name}", service.name()));
                }
                operations += 1;
            }
        }
        assert!(operations > 19_000);
        assert!(heaviest.0 < 16 << 20, "{heaviest:?}");
        println!("{operations} operations, the heaviest is {} with {} bytes", heaviest.1, heaviest.0);
        println!("{}", resident());
    }

    fn resident() -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
        lines.collect::<Vec<_>>().join(", ")
    }
}
