//! A cloud of a test's own: a TCP server that speaks enough of STS, EC2 and DynamoDB, and counts what arrives.
//!
//! It does what it is told and no more, also what no real cloud does: answer a dry run as if it were none, or take a
//! request and never answer.

mod http;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::http::{Connection, Reply, Request};
use self::world::World;
pub(crate) use self::world::{Instance, KEPT_SECRET, SESSION_SECRET, SESSION_TOKEN, Table};

/// What the stub does with one operation instead of its usual answer. Dry runs are answered as always, but for
/// [`Misbehaviour::IgnoresDryRun`].
#[derive(Clone, Debug)]
pub(crate) enum Misbehaviour {
    /// The request is read, and no answer ever comes; nothing changes.
    NeverAnswers,
    /// It is carried out, and no answer ever comes.
    ActsAndNeverAnswers,
    /// The answer comes so much later.
    Slow(Duration),
    /// `DryRun` is ignored.
    IgnoresDryRun,
    /// It is refused; nothing changes.
    Refuses,
    /// It is answered as if it were carried out, and nothing has come of it yet.
    OnlyAccepts,
}

/// A running stub. Its tasks end with this value.
pub(crate) struct Stub {
    endpoint: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    inner: Mutex<Inner>,
    arrived: Notify,
}

#[derive(Default)]
struct Inner {
    world: World,
    requests: Vec<Request>,
    misbehaviours: Vec<(String, Misbehaviour)>,
}

impl Stub {
    /// Listens on a free port. The world is empty but for what is put into it.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { inner: Mutex::default(), arrived: Notify::new() });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Connection::new(stream), Arc::clone(&serving)));
            }
        });
        Self { endpoint, shared, accepting }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Puts an instance into the world, or replaces it.
    pub(crate) fn put(&self, instance: Instance) {
        self.inner().world.put(instance);
    }

    /// Puts a table into the world, or replaces it.
    pub(crate) fn put_table(&self, table: Table) {
        self.inner().world.put_table(table);
    }

    /// From now on `operation` of any service is answered with this, whatever is asked.
    pub(crate) fn tell(&self, operation: &str, body: &str) {
        self.inner().world.tell(operation, body);
    }

    /// True while there is a table of this name.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.inner().world.has_table(name)
    }

    /// An instance as it is now.
    pub(crate) fn instance(&self, id: &str) -> Instance {
        self.inner().world.instance(id).unwrap().clone()
    }

    /// From now on `operation` (such as `TerminateInstances`) misbehaves.
    pub(crate) fn misbehave(&self, operation: &str, how: Misbehaviour) {
        self.inner().misbehaviours.push((operation.to_owned(), how));
    }

    /// From now on `operation` behaves.
    pub(crate) fn behave(&self, operation: &str) {
        self.inner().misbehaviours.retain(|(name, _)| name != operation);
    }

    /// How often `operation` arrived, dry runs included.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.inner().requests.iter().filter(|request| request.operation == operation).count()
    }

    /// Every request that reached this cloud and would change something, dry runs left out.
    pub(crate) fn changes(&self) -> Vec<String> {
        let reads = |name: &str| ["Describe", "List", "Get", "AssumeRole"].iter().any(|verb| name.starts_with(verb));
        let inner = self.inner();
        let requests = inner.requests.iter().filter(|request| !reads(&request.operation) && !request.is_dry_run());
        requests.map(|request| request.operation.clone()).collect()
    }

    /// How many requests arrived.
    pub(crate) fn requests(&self) -> usize {
        self.inner().requests.len()
    }

    /// The access keys that requests for `operation` were signed with.
    pub(crate) fn signers(&self, operation: &str) -> Vec<String> {
        let inner = self.inner();
        let requests = inner.requests.iter().filter(|request| request.operation == operation);
        requests.map(|request| request.access_key().to_owned()).collect()
    }

    /// Waits until so many changes have arrived.
    pub(crate) async fn until_changes(&self, count: usize) {
        let arrived = async {
            loop {
                let mut next = std::pin::pin!(self.shared.arrived.notified());
                next.as_mut().enable();
                if self.changes().len() >= count {
                    return;
                }
                next.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), arrived).await;
        waited.unwrap_or_else(|_| panic!("{count} changes did not arrive: {:?}", self.changes()));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, lets it act and says how to answer it.
    fn take(&self, mut request: Request) -> (Reply, Option<Misbehaviour>) {
        let mut inner = self.inner();
        let dry_run = request.is_dry_run();
        let applies = |how: &Misbehaviour| !dry_run || matches!(how, Misbehaviour::IgnoresDryRun);
        let mut found = inner.misbehaviours.iter().filter(|(name, how)| *name == request.operation && applies(how));
        let misbehaviour = found.next().map(|(_, how)| how.clone());
        inner.requests.push(request.clone());
        if matches!(misbehaviour, Some(Misbehaviour::IgnoresDryRun)) {
            request.forget_dry_run();
        }
        let reply = match misbehaviour {
            Some(Misbehaviour::NeverAnswers) => Reply::ok(String::new()),
            Some(Misbehaviour::Refuses) => world::refusal(&request),
            Some(Misbehaviour::OnlyAccepts) => inner.world.clone().answer(&request),
            _ => inner.world.answer(&request),
        };
        self.arrived.notify_waiters();
        (reply, misbehaviour)
    }
}

async fn serve(mut connection: Connection, shared: Arc<Shared>) {
    while let Some(request) = connection.request().await {
        let (reply, misbehaviour) = shared.take(request);
        match misbehaviour {
            Some(Misbehaviour::NeverAnswers | Misbehaviour::ActsAndNeverAnswers) => std::future::pending().await,
            Some(Misbehaviour::Slow(by)) => tokio::time::sleep(by).await,
            _ => {}
        }
        if connection.reply(reply).await.is_err() {
            return;
        }
    }
}
