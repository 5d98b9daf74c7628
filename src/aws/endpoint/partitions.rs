//! AWS's partitions (`aws`, `aws-cn`, `aws-us-gov`, ...) and the regions in them.

use std::collections::BTreeMap;

use fancy_regex::Regex;
use serde::Deserialize;

use super::RuleSetError;
use super::value::Value;

/// All partitions, in AWS's order; the first is the one that unknown regions belong to.
#[derive(Debug)]
pub struct Partitions(Vec<Partition>);

#[derive(Debug)]
struct Partition {
    name: String,
    region_pattern: Regex,
    outputs: Outputs,
    regions: BTreeMap<String, Outputs>,
}

/// What a partition says; a region of it can say otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Outputs {
    dns_suffix: Option<String>,
    dual_stack_dns_suffix: Option<String>,
    implicit_global_region: Option<String>,
    #[serde(rename = "supportsFIPS")]
    supports_fips: Option<bool>,
    supports_dual_stack: Option<bool>,
}

#[derive(Deserialize)]
struct RawPartitions {
    partitions: Vec<RawPartition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPartition {
    id: String,
    region_regex: String,
    outputs: Outputs,
    #[serde(default)]
    regions: BTreeMap<String, Outputs>,
}

impl Partitions {
    /// Reads botocore's `partitions.json`.
    ///
    /// # Errors
    /// Where the text is not of that form, names no partition, or has a pattern that is none.
    pub fn from_json(json: &[u8]) -> Result<Self, RuleSetError> {
        let raw: RawPartitions = serde_json::from_slice(json).map_err(|e| RuleSetError::new("partitions", e))?;
        let partitions = raw
            .partitions
            .into_iter()
            .map(|partition| {
                let region_pattern = Regex::new(&partition.region_regex)
                    .map_err(|e| RuleSetError::new(format!("partitions/{}/regionRegex", partition.id), e))?;
                let RawPartition { id: name, outputs, regions, .. } = partition;
                Ok(Partition { name, region_pattern, outputs, regions })
            })
            .collect::<Result<Vec<_>, RuleSetError>>()?;
        if partitions.is_empty() {
            return Err(RuleSetError::new("partitions", "no partition"));
        }
        Ok(Self(partitions))
    }

    /// The name of the partition a region belongs to, such as `aws-cn`.
    pub fn name_of(&self, region: &str) -> &str {
        self.find(region).map_or("aws", |facts| &facts.partition.name)
    }

    /// True where some partition lists exactly this region.
    pub fn lists(&self, region: &str) -> bool {
        self.0.iter().any(|partition| partition.regions.contains_key(region))
    }

    /// The partition that lists the region, else the one whose pattern fits, else the first.
    pub(super) fn find(&self, region: &str) -> Option<PartitionFacts<'_>> {
        let listed = self.0.iter().find_map(|partition| {
            let region = partition.regions.get(region)?;
            Some(PartitionFacts { partition, region: Some(region) })
        });
        listed.or_else(|| {
            let fits = |partition: &&Partition| partition.region_pattern.is_match(region).unwrap_or(false);
            let partition = self.0.iter().find(fits).or(self.0.first())?;
            Some(PartitionFacts { partition, region: None })
        })
    }
}

/// One partition as one region sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartitionFacts<'a> {
    partition: &'a Partition,
    region: Option<&'a Outputs>,
}

impl PartialEq for PartitionFacts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.partition.name == other.partition.name
    }
}

impl<'a> PartitionFacts<'a> {
    pub(super) fn member(self, name: &str) -> Value<'a> {
        let text = |of: fn(&Outputs) -> &Option<String>| {
            let own = self.region.and_then(|region| of(region).as_deref());
            own.or(of(&self.partition.outputs).as_deref()).map_or(Value::Absent, Value::text)
        };
        let flag = |of: fn(&Outputs) -> Option<bool>| {
            let own = self.region.and_then(of);
            own.or(of(&self.partition.outputs)).map_or(Value::Absent, Value::Bool)
        };
        match name {
            "name" => Value::text(&self.partition.name),
            "dnsSuffix" => text(|o| &o.dns_suffix),
            "dualStackDnsSuffix" => text(|o| &o.dual_stack_dns_suffix),
            "implicitGlobalRegion" => text(|o| &o.implicit_global_region),
            "supportsFIPS" => flag(|o| o.supports_fips),
            "supportsDualStack" => flag(|o| o.supports_dual_stack),
            _ => Value::Absent,
        }
    }
}
