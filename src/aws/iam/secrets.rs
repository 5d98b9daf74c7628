//! Operations whose result is a secret: credentials, tokens, keys, passwords, or an address that gives access by itself.
//!
//! Found by going through the results of all operations for members that are marked as sensitive or named like a secret.
//! Not listed: operations that AWS's model gives such a member and that return it masked or not at all
//! (`rds:DescribeDBInstances`), and those whose results hold a secret only where someone put one into a place not meant for
//! it, such as user data or a function's environment (`ec2:DescribeLaunchTemplateVersions`, `lambda:ListFunctions`); such
//! members are redacted wherever results are shown. `s3:GetObject` returns data, whose class its owner alone knows.

use crate::names::OperationId;

/// Why an operation's result is a secret.
pub(super) fn why(operation: &OperationId) -> Option<&'static str> {
    SECRETS
        .iter()
        .find(|(service, names, _)| *service == operation.service() && names.contains(&operation.name()))
        .map(|(_, _, why)| *why)
}

/// Why what an action of this name reveals is a secret, among the services that `of` accepts. Actions of other names than
/// their operations (`apigateway:GET`) reveal both secrets and other things, and are not known here.
pub(super) fn by_name(action: &str, of: impl Fn(&str) -> bool) -> Option<&'static str> {
    let same = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(action));
    SECRETS.iter().find(|(service, names, _)| same(names) && of(service)).map(|(_, _, why)| *why)
}

const KEY: &str = "a private or secret key";
const CREDENTIALS: &str = "credentials for AWS";
const TOKEN: &str = "a token that gives access";
const PASSWORD: &str = "a password";
const SIGNED: &str = "a signed address that gives access to whoever has it";

/// Service, operations, what they return.
pub(super) const SECRETS: &[(&str, &[&str], &str)] = &[
    ("account-access-runtime", &["GetRoleCredentials"], CREDENTIALS),
    ("acm", &["ExportCertificate", "GetAcmeExternalAccountBindingCredentials"], KEY),
    ("amplify", &["GetApp", "GetBranch", "ListApps", "ListBranches"], PASSWORD),
    ("amplify", &["GetArtifactUrl"], SIGNED),
    ("amplifybackend", &["GetBackendAuth", "GetToken", "CreateToken"], TOKEN),
    ("amplifyuibuilder", &["ExchangeCodeForToken", "RefreshToken"], TOKEN),
    ("apigateway", &["GetApiKey", "GetApiKeys", "GetUsagePlanKey", "GetUsagePlanKeys", "CreateApiKey"], KEY),
    ("appstream", &["DescribeDirectoryConfigs"], PASSWORD),
    (
        "appstream",
        &["CreateStreamingURL", "CreateImageBuilderStreamingURL", "CreateAppBlockBuilderStreamingURL"],
        SIGNED,
    ),
    ("appsync", &["ListApiKeys", "CreateApiKey"], KEY),
    ("artifact", &["ExportComplianceInquiry", "GetReport", "GetTermForReport"], SIGNED),
    ("athena", &["CreatePresignedNotebookUrl", "GetResourceDashboard", "GetSessionEndpoint"], SIGNED),
    ("bedrock-agent-runtime", &["GetDocumentContent"], SIGNED),
    ("bedrock-agentcore", &["GetResourceApiKey"], KEY),
    (
        "bedrock-agentcore",
        &[
            "GetResourceOauth2Token",
            "GetResourcePaymentToken",
            "GetWorkloadAccessToken",
            "GetWorkloadAccessTokenForJWT",
            "GetWorkloadAccessTokenForUserId",
        ],
        TOKEN,
    ),
    ("bedrock-agentcore-control", &["GetDataset"], SIGNED),
    ("chime", &["GetBot", "ListBots", "CreateBot", "RegenerateSecurityToken"], TOKEN),
    ("chime-sdk-meetings", &["GetAttendee", "ListAttendees", "CreateAttendee", "BatchCreateAttendee"], TOKEN),
    ("cloudhsmv2", &["DescribeClusters"], PASSWORD),
    ("cloudwatchomni", &["GetSpaceCredentialsForOrganization"], CREDENTIALS),
    ("codeartifact", &["GetAuthorizationToken"], TOKEN),
    ("codebuild", &["BatchGetProjects"], "the secret of a project's webhook"),
    ("codecatalyst", &["CreateAccessToken"], TOKEN),
    ("codepipeline", &["GetJobDetails", "GetThirdPartyJobDetails", "PollForJobs"], CREDENTIALS),
    ("codepipeline", &["GetPipelineState", "ListWebhooks", "PutWebhook"], TOKEN),
    ("cognito-identity", &["GetCredentialsForIdentity"], CREDENTIALS),
    ("cognito-identity", &["GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity"], TOKEN),
    (
        "cognito-idp",
        &[
            "CreateUserPoolClient",
            "DescribeIdentityProvider",
            "DescribeUserPoolClient",
            "ListUserPoolClientSecrets",
            "UpdateUserPoolClient",
        ],
        "a client's secret",
    ),
    ("cognito-idp", &["DescribeUserImportJob", "ListUserImportJobs", "CreateUserImportJob"], SIGNED),
    (
        "cognito-idp",
        &[
            "AdminInitiateAuth",
            "AdminRespondToAuthChallenge",
            "GetTokensFromRefreshToken",
            "InitiateAuth",
            "RespondToAuthChallenge",
        ],
        TOKEN,
    ),
    ("cognito-idp", &["AssociateSoftwareToken"], KEY),
    ("connect", &["GetAttachedFile", "GetPromptFile"], SIGNED),
    ("connect", &["GetFederationToken"], TOKEN),
    ("connecthealth", &["GetPatientInsightsJob"], TOKEN),
    ("customer-profiles", &["GetUploadJobPath"], SIGNED),
    ("dataexchange", &["GetJob", "ListJobs", "CreateJob"], SIGNED),
    ("datasync", &["DescribeLocationFsxOntap", "DescribeLocationFsxOpenZfs"], PASSWORD),
    ("datazone", &["GetConnection", "ListConnections", "GetEnvironmentCredentials"], CREDENTIALS),
    ("datazone", &["GetIamPortalLoginUrl"], SIGNED),
    (
        "deadline",
        &[
            "AssumeFleetRoleForRead",
            "AssumeFleetRoleForWorker",
            "AssumeQueueRoleForRead",
            "AssumeQueueRoleForUser",
            "AssumeQueueRoleForWorker",
        ],
        CREDENTIALS,
    ),
    (
        "devicefarm",
        &["CreateTestGridUrl", "GetUpload", "ListArtifacts", "ListTestGridSessionArtifacts", "ListUploads"],
        SIGNED,
    ),
    ("directconnect", &["DescribeVirtualInterfaces"], "the key of a BGP session"),
    ("ds", &["DescribeDirectories"], PASSWORD),
    ("ec2", &["CreateKeyPair"], KEY),
    ("ec2", &["DescribeConversionTasks"], SIGNED),
    (
        "ec2",
        &["DescribeVpnConnections", "ExportClientVpnClientConfiguration", "GetVpnConnectionDeviceSampleConfiguration"],
        "the keys of a VPN connection",
    ),
    (
        "ec2",
        &["DescribeVerifiedAccessTrustProviders", "ExportVerifiedAccessInstanceClientConfiguration"],
        "a client's secret",
    ),
    ("ec2", &["GetPasswordData"], PASSWORD),
    ("ecr", &["GetAuthorizationToken"], TOKEN),
    ("ecr", &["GetDownloadUrlForLayer"], SIGNED),
    ("ecr-public", &["GetAuthorizationToken"], TOKEN),
    ("ecs", &["ExecuteCommand"], TOKEN),
    ("eks", &["DescribeEksAnywhereSubscription", "ListEksAnywhereSubscriptions"], TOKEN),
    ("eks-auth", &["AssumeRoleForPodIdentity"], CREDENTIALS),
    ("emr", &["GetClusterSessionCredentials"], CREDENTIALS),
    ("emr", &["GetOnClusterAppUIPresignedURL", "GetPersistentAppUIPresignedURL"], SIGNED),
    ("emr", &["GetSessionEndpoint"], TOKEN),
    ("emr-containers", &["GetManagedEndpointSessionCredentials"], CREDENTIALS),
    ("emr-serverless", &["GetDashboardForJobRun", "GetResourceDashboard"], SIGNED),
    ("emr-serverless", &["GetSessionEndpoint"], TOKEN),
    ("evs", &["GetDepotUrl"], TOKEN),
    ("evs", &["GetEnvironment"], KEY),
    ("gamelift", &["GetComputeAccess", "GetInstanceAccess", "RequestUploadCredentials"], CREDENTIALS),
    ("gamelift", &["GetComputeAuthToken"], TOKEN),
    ("gamelift", &["GetGameSessionLogUrl"], SIGNED),
    ("gameliftstreams", &["GetStreamUrl", "ListStreamUrls"], SIGNED),
    ("glue", &["GetConnection", "GetConnections"], PASSWORD),
    ("glue", &["BatchGetJobs", "GetJob", "GetJobs", "GetSessionEndpoint"], TOKEN),
    ("glue", &["GetDashboardUrl"], SIGNED),
    ("greengrassv2", &["GetComponentVersionArtifact"], SIGNED),
    ("iam", &["CreateAccessKey", "CreateServiceSpecificCredential", "ResetServiceSpecificCredential"], CREDENTIALS),
    ("iam", &["CreateVirtualMFADevice"], KEY),
    ("inspector", &["GetAssessmentReport"], SIGNED),
    ("inspector2", &["GetCisScanReport"], SIGNED),
    ("interconnect", &["GetConnection"], KEY),
    ("iot", &["CreateKeysAndCertificate", "CreateProvisioningClaim"], KEY),
    ("iot", &["GetTopicRule"], TOKEN),
    ("iot-managed-integrations", &["GetManagedThing", "GetProvisioningProfile"], KEY),
    ("iotsecuretunneling", &["OpenTunnel", "RotateTunnelAccessToken"], TOKEN),
    (
        "ivs",
        &[
            "BatchGetChannel",
            "BatchGetStreamKey",
            "GetChannel",
            "GetStreamKey",
            "GetStreamSession",
            "CreateChannel",
            "CreateStreamKey",
        ],
        KEY,
    ),
    ("ivs-realtime", &["GetIngestConfiguration"], KEY),
    ("ivs-realtime", &["CreateParticipantToken"], TOKEN),
    ("ivschat", &["CreateChatToken"], TOKEN),
    ("kinesis-video-archived-media", &["GetClip"], "recorded video"),
    ("kinesis-video-archived-media", &["GetDASHStreamingSessionURL", "GetHLSStreamingSessionURL"], SIGNED),
    ("kinesis-video-signaling", &["GetIceServerConfig"], PASSWORD),
    ("kinesisanalyticsv2", &["CreateApplicationPresignedUrl"], SIGNED),
    ("kms", &["Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom"], KEY),
    (
        "lakeformation",
        &[
            "AssumeDecoratedRoleWithSAML",
            "GetTemporaryDataLocationCredentials",
            "GetTemporaryGluePartitionCredentials",
            "GetTemporaryGlueTableCredentials",
        ],
        CREDENTIALS,
    ),
    ("lambda", &["GetFunction", "GetLayerVersion", "GetLayerVersionByArn"], "a signed address of the code"),
    ("license-manager", &["CreateToken", "GetAccessToken"], TOKEN),
    (
        "lightsail",
        &[
            "CreateBucketAccessKey",
            "CreateContainerServiceRegistryLogin",
            "GetBucketAccessKeys",
            "GetInstanceAccessDetails",
        ],
        CREDENTIALS,
    ),
    ("lightsail", &["CreateKeyPair", "DownloadDefaultKeyPair"], KEY),
    ("lightsail", &["GetRelationalDatabaseMasterUserPassword"], PASSWORD),
    ("location", &["DescribeKey", "CreateKey"], KEY),
    ("mailmanager", &["GetAddressListImportJob", "ListAddressListImportJobs", "CreateAddressListImportJob"], SIGNED),
    ("managedblockchain", &["CreateAccessor", "GetAccessor"], TOKEN),
    ("marketplace-agreement", &["GetAgreementEntitlements"], TOKEN),
    (
        "mediapackage",
        &[
            "DescribeChannel",
            "ListChannels",
            "CreateChannel",
            "RotateChannelCredentials",
            "RotateIngestEndpointCredentials",
        ],
        PASSWORD,
    ),
    ("mwaa", &["CreateCliToken", "CreateWebLoginToken"], TOKEN),
    ("notifications", &["GetManagedNotificationEvent"], SIGNED),
    ("pca-connector-scep", &["CreateChallenge", "GetChallengePassword"], PASSWORD),
    ("qapps", &["CreatePresignedUrl"], SIGNED),
    ("qbusiness", &["CreateAnonymousWebExperienceUrl", "GetDocumentContent"], SIGNED),
    ("qconnect", &["GetContent", "GetImportJob"], SIGNED),
    (
        "quicksight",
        &[
            "DescribeAssetBundleExportJob",
            "GenerateEmbedUrlForAnonymousUser",
            "GenerateEmbedUrlForRegisteredUser",
            "GenerateEmbedUrlForRegisteredUserWithIdentity",
            "GetDashboardEmbedUrl",
            "GetSessionEmbedUrl",
        ],
        SIGNED,
    ),
    ("redshift", &["GetClusterCredentials", "GetClusterCredentialsWithIAM"], PASSWORD),
    ("redshift", &["GetIdentityCenterAuthToken"], TOKEN),
    ("redshift-serverless", &["GetCredentials"], PASSWORD),
    ("redshift-serverless", &["GetIdentityCenterAuthToken"], TOKEN),
    ("s3", &["CreateSession"], CREDENTIALS),
    ("s3control", &["GetDataAccess"], CREDENTIALS),
    (
        "sagemaker",
        &[
            "CreateHubContentPresignedUrls",
            "CreatePartnerAppPresignedUrl",
            "CreatePresignedDomainUrl",
            "CreatePresignedMlflowTrackingServerUrl",
            "CreatePresignedNotebookInstanceUrl",
        ],
        SIGNED,
    ),
    ("sagemaker", &["StartSession"], TOKEN),
    ("secretsmanager", &["BatchGetSecretValue", "GetSecretValue"], "a secret"),
    ("secretsmanager", &["GetRandomPassword"], PASSWORD),
    ("security-ir", &["GetCaseAttachmentDownloadUrl", "GetCaseAttachmentUploadUrl"], SIGNED),
    (
        "signin",
        &["CreateOAuth2Token", "CreateBearerToken", "CreateOAuth2TokenWithIAM", "CreateOAuth2TokenWithTokenExchange"],
        TOKEN,
    ),
    ("snowball", &["GetJobManifest", "GetJobUnlockCode"], KEY),
    ("ssm", &["GetAccessToken"], CREDENTIALS),
    (
        "ssm",
        &["GetParameter", "GetParameterHistory", "GetParameters", "GetParametersByPath"],
        "parameters, which may be secret",
    ),
    ("ssm", &["ResumeSession", "StartSession"], TOKEN),
    ("sso", &["GetRoleCredentials"], CREDENTIALS),
    ("sso-oidc", &["CreateToken", "CreateTokenWithIAM", "RegisterClient", "StartDeviceAuthorization"], TOKEN),
    ("storagegateway", &["DescribeChapCredentials"], PASSWORD),
    (
        "sts",
        &[
            "AssumeRole",
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "AssumeRoot",
            "GetDelegatedAccessToken",
            "GetFederationToken",
            "GetSessionToken",
        ],
        CREDENTIALS,
    ),
    ("sts", &["GetWebIdentityToken"], TOKEN),
    ("wafv2", &["CreateAPIKey", "ListAPIKeys"], KEY),
    ("wickr", &["GetOidcInfo", "GetOpentdfConfig"], "a client's secret"),
    ("wisdom", &["GetContent", "GetImportJob", "StartContentUpload"], SIGNED),
    ("workmail", &["AssumeImpersonationRole"], TOKEN),
];
