//! All of AWS's service models, inside the binary. Services are unpacked on first use and forgotten when others need room.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lru::LruCache;
use serde_json::Value;

use super::operation::OperationModel;
use super::pack::{Pack, PackError};
use super::service::ServiceModel;
use crate::names::OperationId;

static MODELS: &[u8] = include_bytes!("../../data/models.pack");
const PACK: &str = "model pack";
const MAGIC: &[u8; 8] = b"CSMODEL1";
const OPERATIONS: &str = "=operations";
const PARTITIONS: &str = "=partitions";

/// Unpacked services are forgotten, least recently used first, once they hold more bytes than this.
pub const SERVICES_BYTES: usize = 8 << 20;

/// The models of all services. Cloning is cheap and shares everything.
#[derive(Clone)]
pub struct Models(Arc<Shared>);

struct Shared {
    pack: Pack,
    most: usize,
    services: Mutex<LruCache<String, Arc<ServiceModel>>>,
    operations: OnceLock<Result<OperationIndex, ModelError>>,
    partitions: OnceLock<Result<Value, ModelError>>,
}

/// Why a model can't be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ModelError {
    /// No service of this name.
    #[error("there is no service `{service}`{}", did_you_mean(.nearest))]
    NoService {
        /// The name asked for.
        service: String,
        /// The nearest names there are.
        nearest: Vec<String>,
    },
    /// The service has no operation of this name.
    #[error("`{service}` has no operation `{operation}`{}", did_you_mean(.nearest))]
    NoOperation {
        /// The service.
        service: String,
        /// The name asked for.
        operation: String,
        /// The nearest names there are.
        nearest: Vec<String>,
    },
    /// The service has no shape of this name.
    #[error("`{service}` has no shape `{shape}`")]
    NoShape {
        /// The service.
        service: String,
        /// The name asked for.
        shape: String,
    },
    /// A part of a model is not of the expected form.
    #[error("the model of `{service}` can't be read at `{item}`: {reason}")]
    Misread {
        /// The service.
        service: String,
        /// The part.
        item: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The pack itself is damaged.
    #[error(transparent)]
    Damaged(#[from] PackError),
}

impl Models {
    /// The models inside this binary, with at most [`SERVICES_BYTES`] of them unpacked at a time.
    ///
    /// Reads the pack's directory; each part is unpacked, and its checksum verified, when it is first used.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::bounded(SERVICES_BYTES)
    }

    /// As [`Self::embedded`], with at most `most` bytes of services unpacked at a time (and one service in any case).
    pub fn bounded(most: usize) -> Result<Self, ModelError> {
        Ok(Self(Arc::new(Shared {
            pack: Pack::open(PACK, MAGIC, MODELS)?,
            most,
            services: Mutex::new(LruCache::unbounded()),
            operations: OnceLock::new(),
            partitions: OnceLock::new(),
        })))
    }

    /// botocore's names of all services, sorted.
    pub fn services(&self) -> impl Iterator<Item = &'static str> {
        self.0.pack.names().filter(|name| !name.starts_with('='))
    }

    /// A service's model. An unknown name is an error that tells the nearest ones.
    pub fn service(&self, name: &str) -> Result<Arc<ServiceModel>, ModelError> {
        if let Some(found) = self.loaded().get(name) {
            return Ok(found.clone());
        }
        if name.starts_with('=') || !self.0.pack.contains(name) {
            let (service, nearest) = (name.to_owned(), nearest(name, self.services()));
            return Err(ModelError::NoService { service, nearest });
        }
        let service = Arc::new(ServiceModel::from_text(name, self.unpack(name)?)?);
        let mut loaded = self.loaded();
        loaded.put(name.to_owned(), service.clone());
        let mut held: usize = loaded.iter().map(|(_, service)| service.weight()).sum();
        while held > self.0.most && loaded.len() > 1 {
            let Some((_, oldest)) = loaded.pop_lru() else { break };
            held -= oldest.weight().min(held);
        }
        Ok(service)
    }

    /// An operation with its service.
    pub fn operation(&self, id: &OperationId) -> Result<(Arc<ServiceModel>, Arc<OperationModel>), ModelError> {
        let service = self.service(id.service())?;
        let operation = service.operation(id.name())?;
        Ok((service, operation))
    }

    /// Names of all operations and their arguments, without unpacking a service.
    pub fn operation_index(&self) -> Result<&OperationIndex, ModelError> {
        let index = self.0.operations.get_or_init(|| Ok(OperationIndex { text: self.unpack(OPERATIONS)? }));
        index.as_ref().map_err(ModelError::clone)
    }

    /// AWS's partitions (botocore's `partitions.json`): an object with `partitions`, a list.
    pub fn partitions(&self) -> Result<&Value, ModelError> {
        let partitions = self.0.partitions.get_or_init(|| {
            serde_json::from_str(&self.unpack(PARTITIONS)?).map_err(|error| ModelError::Misread {
                service: PARTITIONS.to_owned(),
                item: "partitions".to_owned(),
                reason: error.to_string(),
            })
        });
        partitions.as_ref().map_err(ModelError::clone)
    }

    /// Bytes that the services unpacked at present hold, estimated.
    pub fn weight(&self) -> usize {
        self.loaded().iter().map(|(_, service)| service.weight()).sum()
    }

    fn unpack(&self, name: &str) -> Result<String, ModelError> {
        let missing = || PackError { pack: PACK, what: format!("`{name}` is missing") };
        Ok(self.0.pack.unpack(PACK, name).ok_or_else(missing)??)
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, LruCache<String, Arc<ServiceModel>>> {
        self.0.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").field("pack", &self.0.pack).finish_non_exhaustive()
    }
}

/// Names of all operations of all services, with the names of their arguments.
#[derive(Debug)]
pub struct OperationIndex {
    text: String,
}

/// One operation's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationEntry<'a> {
    /// botocore's name of the service.
    pub service: &'a str,
    /// The operation's name.
    pub operation: &'a str,
    members: &'a str,
}

impl OperationIndex {
    /// All operations, sorted by service and name.
    pub fn iter(&self) -> impl Iterator<Item = OperationEntry<'_>> {
        self.text.lines().filter_map(|line| {
            let (service, rest) = line.split_once('\t')?;
            let (operation, members) = rest.split_once('\t')?;
            Some(OperationEntry { service, operation, members })
        })
    }
}

impl<'a> OperationEntry<'a> {
    /// Names of the members of its input.
    pub fn members(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.members.split_ascii_whitespace()
    }

    /// The operation's identifier.
    pub fn id(&self) -> OperationId {
        OperationId::new(self.service, self.operation)
    }
}

/// Up to three of `names` that look most like `wanted`, best first; empty where none looks like it.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean `{}`?", names.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::operation::Auth;
    use crate::aws::shape::ShapeKind;

    #[test]
    fn a_mistyped_name_is_answered_with_the_nearest() {
        let models = Models::embedded().unwrap();
        let error = models.service("dynamo").unwrap_err().to_string();
        assert!(error.starts_with("there is no service `dynamo`; did you mean `dynamodb`"), "{error}");
        let error = models.operation(&"ec2:TerminateInstance".parse().unwrap()).unwrap_err().to_string();
        assert!(
            error.contains("`ec2` has no operation `TerminateInstance`; did you mean `TerminateInstances`"),
            "{error}"
        );
        assert!(models.service("=operations").is_err());
    }

    #[test]
    fn facts_of_an_operation_are_read() {
        let models = Models::embedded().unwrap();
        let (s3, put) = models.operation(&"s3:PutObjectAcl".parse().unwrap()).unwrap();
        assert_eq!(put.checksum.as_ref().unwrap().algorithm_member.as_deref(), Some("ChecksumAlgorithm"));
        assert!(s3.endpoint_rules().unwrap().is_some());
        let (_, select) = models.operation(&"s3:SelectObjectContent".parse().unwrap()).unwrap();
        assert!(select.event_stream);
        let (ec2, run) = models.operation(&"ec2:RunInstances".parse().unwrap()).unwrap();
        assert_eq!(run.idempotency_token.as_deref(), Some("ClientToken"));
        let input = ec2.shape(&run.input.as_ref().unwrap().shape).unwrap();
        assert!(input.member("MaxCount").unwrap().required);
        assert!(matches!(input.kind, ShapeKind::Structure { union: false, .. }));
        assert!(ec2.paginator("DescribeInstances").unwrap().is_some());
        assert!(ec2.waiters().unwrap().contains_key("InstanceTerminated"));
        let (_, web) = models.operation(&"sts:AssumeRoleWithWebIdentity".parse().unwrap()).unwrap();
        assert_eq!(web.auth, Auth::None);
        let (_, block) = models.operation(&"ebs:PutSnapshotBlock".parse().unwrap()).unwrap();
        assert_eq!(block.auth, Auth::SigV4UnsignedBody);
    }

    #[test]
    fn the_index_agrees_with_the_services() {
        let models = Models::embedded().unwrap();
        let index = models.operation_index().unwrap();
        assert!(index.iter().count() > 19_000);
        let sqs: Vec<&str> = index.iter().filter(|e| e.service == "sqs").map(|e| e.operation).collect();
        assert_eq!(sqs, models.service("sqs").unwrap().operation_names().collect::<Vec<_>>());
        let delete = index.iter().find(|e| e.id().to_string() == "sqs:DeleteMessage").unwrap();
        assert_eq!(delete.members().collect::<Vec<_>>(), ["QueueUrl", "ReceiptHandle"]);
    }

    #[test]
    fn every_operation_and_shape_of_every_service_reads_and_memory_stays_bounded() {
        let models = Models::bounded(4 << 20).unwrap();
        let names: Vec<String> = models.services().map(str::to_owned).collect();
        assert!(names.len() >= 434);
        for name in &names {
            let service = models.service(name).unwrap();
            assert!(service.metadata().protocol().is_some(), "{name}");
            for operation in service.operation_names() {
                service.operation(operation).unwrap();
            }
            for shape in service.shape_names() {
                service.shape(shape).unwrap();
            }
            let bound = (4 << 20) + 8 * service.weight();
            assert!(models.weight() <= bound, "{name}: {}", models.weight());
        }
    }
}
