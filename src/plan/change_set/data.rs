//! Which types of resources hold data, and which say who may do what.

/// Types whose resources hold what is lost with them: rows, objects, messages, keys, users, logs.
const WITH_DATA: [&str; 72] = [
    "AWS::AmazonMQ::Broker",
    "AWS::AppSync::GraphQLApi",
    "AWS::Athena::WorkGroup",
    "AWS::Backup::BackupVault",
    "AWS::Backup::LogicallyAirGappedBackupVault",
    "AWS::Cassandra::Keyspace",
    "AWS::Cassandra::Table",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudTrail::EventDataStore",
    "AWS::CodeArtifact::Repository",
    "AWS::CodeCommit::Repository",
    "AWS::Cognito::IdentityPool",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolUser",
    "AWS::DAX::Cluster",
    "AWS::DocDB::DBCluster",
    "AWS::DocDB::DBInstance",
    "AWS::DocDBElastic::Cluster",
    "AWS::DSQL::Cluster",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Host",
    "AWS::EC2::Instance",
    "AWS::EC2::Volume",
    "AWS::ECR::PublicRepository",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::EMR::Cluster",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::Elasticsearch::Domain",
    "AWS::Events::Archive",
    "AWS::FSx::FileSystem",
    "AWS::FSx::StorageVirtualMachine",
    "AWS::FSx::Volume",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::HealthLake::FHIRDatastore",
    "AWS::InfluxDB::DBInstance",
    "AWS::KMS::Key",
    "AWS::KMS::ReplicaKey",
    "AWS::Kinesis::Stream",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::KinesisVideo::Stream",
    "AWS::Lightsail::Bucket",
    "AWS::Lightsail::Database",
    "AWS::Lightsail::Disk",
    "AWS::Logs::LogGroup",
    "AWS::Logs::LogStream",
    "AWS::MSK::Cluster",
    "AWS::MSK::ServerlessCluster",
    "AWS::MemoryDB::Cluster",
    "AWS::Neptune::DBCluster",
    "AWS::Neptune::DBInstance",
    "AWS::NeptuneGraph::Graph",
    "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchService::Domain",
    "AWS::QLDB::Ledger",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::RDS::GlobalCluster",
    "AWS::Redshift::Cluster",
    "AWS::RedshiftServerless::Namespace",
    "AWS::Route53::HostedZone",
    "AWS::S3::Bucket",
    "AWS::S3Express::DirectoryBucket",
    "AWS::S3Tables::TableBucket",
    "AWS::SQS::Queue",
    "AWS::SSM::Parameter",
    "AWS::SecretsManager::Secret",
    "AWS::Timestream::Database",
];

/// Types within which more resources live that a change set doesn't show.
const WITH_MORE_INSIDE: [&str; 2] = ["AWS::CloudFormation::Stack", "AWS::CloudFormation::StackSet"];

/// Types, or how they begin, that say who may do what.
const OF_PERMISSIONS: [&str; 10] = [
    "AWS::IAM::",
    "AWS::Organizations::",
    "AWS::RAM::",
    "AWS::SSO::",
    "AWS::RolesAnywhere::",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::ResourcePolicy",
];

/// True for a resource that holds data. Of types that are not AWS's own nobody knows.
pub(super) fn holds_data(kind: &str) -> bool {
    WITH_DATA.contains(&kind) || kind.starts_with("AWS::Timestream::") || !kind.starts_with("AWS::")
}

/// True for a stack in the stack.
pub(super) fn holds_more(kind: &str) -> bool {
    WITH_MORE_INSIDE.contains(&kind)
}

/// True for what says who may do what.
pub(super) fn permits(kind: &str) -> bool {
    OF_PERMISSIONS.iter().any(|of| kind.starts_with(of))
}
