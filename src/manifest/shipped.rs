//! The manifests inside this binary.

macro_rules! shipped {
    ($path:literal) => {
        (concat!("tool-manifests/", $path), include_str!(concat!("../../tool-manifests/", $path)))
    };
}

/// Path and text of each tool; a test holds the list against the folder.
pub(super) const TOOLS: &[(&str, &str)] = &[
    shipped!("autoscaling/autoscaling_set_desired_capacity.yaml"),
    shipped!("cloudformation/cloudformation_delete_stack.yaml"),
    shipped!("cloudformation/cloudformation_describe_stacks.yaml"),
    shipped!("dynamodb/dynamodb_delete_table.yaml"),
    shipped!("ec2/ec2_describe_instances.yaml"),
    shipped!("ec2/ec2_start_instances.yaml"),
    shipped!("ec2/ec2_stop_instances.yaml"),
    shipped!("ec2/ec2_terminate_instances.yaml"),
    shipped!("lambda/lambda_delete_function.yaml"),
    shipped!("rds/rds_delete_db_instance.yaml"),
    shipped!("rds/rds_describe_db_instances.yaml"),
    shipped!("s3/s3_delete_bucket.yaml"),
    shipped!("s3/s3_delete_object.yaml"),
    shipped!("s3/s3_list_objects.yaml"),
];

/// Path and text of each family.
pub(super) const FAMILIES: &[(&str, &str)] =
    &[shipped!("_families/aws_change.yaml"), shipped!("_families/aws_read.yaml")];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        for folder in std::fs::read_dir(root.join("tool-manifests")).unwrap() {
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
        found.sort();
        let mut listed: Vec<&str> = TOOLS.iter().chain(FAMILIES).map(|(path, _)| *path).collect();
        listed.sort();
        assert_eq!(listed, found);
    }
}
