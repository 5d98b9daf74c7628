//! A service's model: unpacked text, in which operations and shapes are found by name and read on first use.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::models::{ModelError, nearest};
use super::operation::{OperationModel, ServiceAuth};
use super::shape::{ShapeModel, XmlNamespace};

/// One service.
pub struct ServiceModel {
    name: String,
    metadata: Metadata,
    text: String,
    facts: Section,
    operations: Section,
    shapes: Section,
    paginators: Section,
    waiters: Section,
    read: Mutex<Read>,
    weight_of_read: AtomicUsize,
}

/// Shapes and operations already read. A shape is about four times its text, hence the bound.
struct Read {
    shapes: LruCache<String, Arc<ShapeModel>>,
    operations: LruCache<String, Arc<OperationModel>>,
}

const SHAPES_KEPT: NonZeroUsize = NonZeroUsize::new(512).unwrap();
const OPERATIONS_KEPT: NonZeroUsize = NonZeroUsize::new(128).unwrap();

/// A service's metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The API's version, such as `2016-11-15`.
    pub api_version: String,
    /// The usual first label of its host names.
    pub endpoint_prefix: String,
    /// The name in signatures, where it isn't the endpoint prefix.
    signing_name: Option<String>,
    /// The name people know, such as `Amazon Elastic Compute Cloud`.
    pub service_full_name: String,
    /// Smithy's `sdkId`, such as `EC2`.
    pub service_id: String,
    /// The X-Amz-Target header's prefix.
    pub target_prefix: Option<String>,
    /// `1.0` or `1.1`, for the json protocol.
    pub json_version: Option<String>,
    protocol: String,
    protocols: Vec<String>,
    /// The XML namespace of all its shapes.
    pub xml_namespace: Option<XmlNamespace>,
    /// It has moved from the query protocol and still tells that protocol's error codes.
    aws_query_compatible: Option<Value>,
    signature_version: String,
    auth: Vec<String>,
}

/// A protocol of AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// awsJson 1.0 and 1.1.
    Json,
    /// restJson1.
    RestJson,
    /// restXml.
    RestXml,
    /// awsQuery.
    Query,
    /// ec2Query.
    Ec2,
    /// Smithy's rpcv2Cbor.
    Cbor,
}

impl Protocol {
    /// In the order of preference of botocore (`PRIORITY_ORDERED_SUPPORTED_PROTOCOLS`).
    const PREFERRED: [(&str, Self); 6] = [
        ("json", Self::Json),
        ("rest-json", Self::RestJson),
        ("rest-xml", Self::RestXml),
        ("smithy-rpc-v2-cbor", Self::Cbor),
        ("query", Self::Query),
        ("ec2", Self::Ec2),
    ];

    /// True where bodies are XML.
    pub fn is_xml(self) -> bool {
        matches!(self, Self::RestXml | Self::Query | Self::Ec2)
    }

    /// True where members may go into path, query and headers.
    pub fn is_rest(self) -> bool {
        matches!(self, Self::RestJson | Self::RestXml)
    }
}

impl Metadata {
    /// The protocol to speak: of those the service understands, the one botocore would choose.
    pub fn protocol(&self) -> Option<Protocol> {
        let understands = |name: &str| match self.protocols.as_slice() {
            [] => self.protocol == name,
            several => several.iter().any(|protocol| protocol == name),
        };
        Protocol::PREFERRED.into_iter().find(|(name, _)| understands(name)).map(|(_, protocol)| protocol)
    }

    /// The name in signatures.
    pub fn signing_name(&self) -> &str {
        self.signing_name.as_deref().unwrap_or(&self.endpoint_prefix)
    }

    /// True where errors also tell the query protocol's codes.
    pub fn query_compatible(&self) -> bool {
        self.aws_query_compatible.is_some()
    }
}

/// Lines `name TAB JSON` of the text, sorted by name.
#[derive(Default)]
struct Section {
    lines: Vec<Range<u32>>,
}

impl ServiceModel {
    /// botocore's name of it, such as `ec2`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Names of all operations, sorted.
    pub fn operation_names(&self) -> impl Iterator<Item = &str> {
        self.operations.names(&self.text)
    }

    /// Names of all shapes, sorted.
    pub fn shape_names(&self) -> impl Iterator<Item = &str> {
        self.shapes.names(&self.text)
    }

    /// An operation. An unknown name is an error that tells the nearest ones.
    pub fn operation(&self, name: &str) -> Result<Arc<OperationModel>, ModelError> {
        if let Some(found) = self.locked().operations.get(name) {
            return Ok(found.clone());
        }
        let json = self.operations.find(&self.text, name).ok_or_else(|| ModelError::NoOperation {
            service: self.name.clone(),
            operation: name.to_owned(),
            nearest: nearest(name, self.operation_names()),
        })?;
        let service = ServiceAuth { signature_version: &self.metadata.signature_version, auth: &self.metadata.auth };
        let operation = OperationModel::parse(name, json, &service, |shape| self.shape(shape).map_err(Misread::Model));
        let operation = Arc::new(operation.map_err(|misread| misread.at(&self.name, name))?);
        self.locked().operations.put(name.to_owned(), operation.clone());
        Ok(operation)
    }

    /// A shape.
    pub fn shape(&self, name: &str) -> Result<Arc<ShapeModel>, ModelError> {
        if let Some(found) = self.locked().shapes.get(name) {
            return Ok(found.clone());
        }
        let json = self
            .shapes
            .find(&self.text, name)
            .ok_or_else(|| ModelError::NoShape { service: self.name.clone(), shape: name.to_owned() })?;
        let shape = ShapeModel::parse(name, json).map_err(|error| Misread::Json(error).at(&self.name, name))?;
        let shape = Arc::new(shape);
        self.weight_of_read.fetch_add(shape.weight, Ordering::Relaxed);
        if let Some((_, old)) = self.locked().shapes.push(name.to_owned(), shape.clone()) {
            self.weight_of_read.fetch_sub(old.weight, Ordering::Relaxed);
        }
        Ok(shape)
    }

    /// The endpoint rules (botocore's `endpoint-rule-set-1`): an object with `version`, `parameters` and `rules`.
    pub fn endpoint_rules(&self) -> Result<Option<Value>, ModelError> {
        self.facts.read(&self.text, &self.name, "endpointRules")
    }

    /// Parameters of the endpoint rules that a client may set, such as s3's `ForcePathStyle`.
    pub fn client_context_params(&self) -> Result<Option<Value>, ModelError> {
        self.facts.read(&self.text, &self.name, "clientContextParams")
    }

    /// How an operation paginates: an object with `input_token`, `output_token`, `result_key`, `limit_key`, ...
    pub fn paginator(&self, operation: &str) -> Result<Option<Value>, ModelError> {
        self.paginators.read(&self.text, &self.name, operation)
    }

    /// All waiters by name: objects with `operation`, `delay`, `maxAttempts` and `acceptors`.
    pub fn waiters(&self) -> Result<Map<String, Value>, ModelError> {
        let names: Vec<&str> = self.waiters.names(&self.text).collect();
        let read = |name: &str| self.waiters.read(&self.text, &self.name, name);
        names
            .into_iter()
            .filter_map(|name| Some(read(name).transpose()?.map(|waiter| (name.to_owned(), waiter))))
            .collect()
    }

    /// Bytes of memory this model holds, estimated.
    pub fn weight(&self) -> usize {
        let lines = [&self.facts, &self.operations, &self.shapes, &self.paginators, &self.waiters];
        let tables: usize = lines.iter().map(|section| section.lines.len() * size_of::<Range<u32>>()).sum();
        self.text.len() + tables + 4 * self.weight_of_read.load(Ordering::Relaxed)
    }

    /// Takes a service's text apart (its layout is described in `scripts/model_pack.py`).
    pub(crate) fn from_text(name: &str, text: String) -> Result<Self, ModelError> {
        let damaged = |what: &str| ModelError::Misread {
            service: name.to_owned(),
            item: what.to_owned(),
            reason: "the model's text has another layout than expected".to_owned(),
        };
        let mut sections = Vec::with_capacity(5);
        let (mut section, mut start) = (Section::default(), 0);
        for (end, _) in text.match_indices('\n') {
            if end == start {
                sections.push(std::mem::take(&mut section));
            } else {
                let line = |at: usize| u32::try_from(at).map_err(|_| damaged("a line"));
                section.lines.push(line(start)?..line(end)?);
            }
            start = end + 1;
        }
        let Ok([facts, operations, shapes, paginators, waiters]) = <[Section; 5]>::try_from(sections) else {
            return Err(damaged("its sections"));
        };
        let metadata = facts.find(&text, "metadata").ok_or_else(|| damaged("metadata"))?;
        let metadata = serde_json::from_str(metadata).map_err(|error| Misread::Json(error).at(name, "metadata"))?;
        Ok(Self {
            name: name.to_owned(),
            metadata,
            text,
            facts,
            operations,
            shapes,
            paginators,
            waiters,
            read: Mutex::new(Read { shapes: LruCache::new(SHAPES_KEPT), operations: LruCache::new(OPERATIONS_KEPT) }),
            weight_of_read: AtomicUsize::new(0),
        })
    }

    /// Makes a model from botocore's JSON form: an object with `metadata`, `operations` and `shapes`.
    pub fn from_json(name: &str, model: &Value) -> Result<Self, ModelError> {
        let section = |key: &str| {
            let mut lines: Vec<_> = model.get(key).and_then(Value::as_object).into_iter().flatten().collect();
            lines.sort_by_key(|(name, _)| name.as_str());
            lines.into_iter().map(|(name, facts)| format!("{name}\t{facts}\n")).collect::<String>() + "\n"
        };
        let metadata = model.get("metadata").unwrap_or(&Value::Null);
        let text = format!("metadata\t{metadata}\n\n{}{}\n\n", section("operations"), section("shapes"));
        Self::from_text(name, text)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServiceModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceModel").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Section {
    fn names<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.lines.iter().filter_map(|line| Some(split(text, line)?.0))
    }

    fn find<'t>(&self, text: &'t str, name: &str) -> Option<&'t str> {
        let at = self.lines.binary_search_by(|line| split(text, line).map(|(found, _)| found).cmp(&Some(name))).ok()?;
        split(text, self.lines.get(at)?).map(|(_, json)| json)
    }

    fn read(&self, text: &str, service: &str, name: &str) -> Result<Option<Value>, ModelError> {
        let Some(json) = self.find(text, name) else { return Ok(None) };
        serde_json::from_str(json).map(Some).map_err(|error| Misread::Json(error).at(service, name))
    }
}

fn split<'t>(text: &'t str, line: &Range<u32>) -> Option<(&'t str, &'t str)> {
    let range = usize::try_from(line.start).ok()?..usize::try_from(line.end).ok()?;
    text.get(range)?.split_once('\t')
}

enum Misread {
    Json(serde_json::Error),
    Model(ModelError),
}

impl From<serde_json::Error> for Misread {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl Misread {
    fn at(self, service: &str, item: &str) -> ModelError {
        match self {
            Self::Model(error) => error,
            Self::Json(error) => {
                ModelError::Misread { service: service.to_owned(), item: item.to_owned(), reason: error.to_string() }
            }
        }
    }
}
