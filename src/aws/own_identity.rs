//! The server's own identity: found by the SDK's chain, and asked for at AWS only.
//!
//! The chain honours `AWS_ENDPOINT_URL_STS` and profiles' `endpoint_url` for the requests it makes itself, and these carry
//! a web identity token or are signed with a long-lived key. So whatever carries a secret there goes to AWS's own
//! identity services or nowhere.

use aws_config::BehaviorVersion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::client::not_sent;
use crate::config::AwsConfig;
use crate::ports::CloudError;

/// The ends of AWS's host names, by partition (botocore's `partitions.json`).
const SUFFIXES: [&str; 10] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".api.amazonwebservices.eu",
];

/// What the configuration names, and only that; where it names nothing, the SDK's chain: environment, profile, web
/// identity, container, instance.
pub(super) async fn provider(
    settings: &AwsConfig,
    http: SharedHttpClient,
) -> Result<SharedCredentialsProvider, CloudError> {
    let http = only_to_aws(http);
    let AwsConfig { profile, credentials_file, .. } = settings;
    if profile.is_none() && credentials_file.is_none() {
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        let provider = loader.load().await.credentials_provider();
        return provider.ok_or_else(|| not_sent("this server finds no AWS credentials of its own"));
    }
    let mut files = EnvConfigFiles::builder().include_default_config_file(true);
    files = match credentials_file {
        Some(file) => files.with_file(EnvConfigFileKind::Credentials, file),
        None => files.include_default_credentials_file(true),
    };
    let config = ProviderConfig::without_region().with_http_client(http);
    let mut provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_files(files.build());
    if let Some(profile) = profile {
        provider = provider.profile_name(profile);
    }
    Ok(SharedCredentialsProvider::new(provider.build()))
}

/// A client for the chain's own requests.
fn only_to_aws(http: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(OnlyToAws(http.http_connector(settings, components)))
    })
}

#[derive(Debug)]
struct OnlyToAws(SharedHttpConnector);

impl HttpConnector for OnlyToAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // Instance and container credentials are asked for with GET and PUT, at addresses that the SDK itself checks.
        let secret = request.method() == "POST" || request.headers().contains_key("x-amz-sso_bearer_token");
        if secret && !is_identity_service(request.uri()) {
            let refusal = "the server's own credentials are looked up at AWS only: unset `AWS_ENDPOINT_URL`, \
                           `AWS_ENDPOINT_URL_STS` and the profile's `endpoint_url`";
            return HttpConnectorFuture::ready(Err(ConnectorError::user(refusal.into())));
        }
        self.0.call(request)
    }
}

/// True for addresses of STS and IAM Identity Center, which nobody else can have.
fn is_identity_service(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
    if host.contains(['@', ':']) {
        return false;
    }
    let Some(name) = SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix)) else { return false };
    match name.split('.').collect::<Vec<_>>().as_slice() {
        ["sts" | "sts-fips"] => true,
        ["sts" | "sts-fips" | "oidc", region] | ["portal", "sso", region] => is_region(region),
        // an interface endpoint of one's own network, which only the service named in it can answer
        [endpoint, "sts", region, "vpce"] => endpoint.starts_with("vpce-") && is_region(region),
        _ => false,
    }
}

fn is_region(label: &str) -> bool {
    label.ends_with(|c: char| c.is_ascii_digit()) && label.matches('-').count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_identity_services_only() {
        for good in [
            "https://sts.amazonaws.com/",
            "https://sts.eu-central-1.amazonaws.com/",
            "https://sts.eu-central-1.amazonaws.com:443/",
            "https://sts-fips.us-east-1.amazonaws.com/",
            "https://sts.cn-north-1.amazonaws.com.cn",
            "https://sts.eu-central-1.api.aws/",
            "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?role_name=x",
            "https://oidc.eu-central-1.amazonaws.com/token",
            "https://vpce-0123-abcd.sts.eu-central-1.vpce.amazonaws.com/",
        ] {
            assert!(is_identity_service(good), "{good}");
        }
        for bad in [
            "http://sts.eu-central-1.amazonaws.com/",
            "https://evil.example/",
            "https://sts.eu-central-1.amazonaws.com.evil.example/",
            "https://evil.example/sts.eu-central-1.amazonaws.com",
            "https://sts.eu-central-1.amazonaws.com@evil.example/",
            "https://sts.eu-central-1.amazonaws.com:8443/",
            "https://abc.execute-api.eu-central-1.amazonaws.com/",
            "https://sts.s3.amazonaws.com/",
            "https://sts.evil.amazonaws.com/",
            "https://sts.eu-central-1.elb.amazonaws.com/",
            "http://127.0.0.1:9/",
        ] {
            assert!(!is_identity_service(bad), "{bad}");
        }
    }
}
