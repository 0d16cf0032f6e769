"""The CloudFormation stacks that Darkroom deploys."""
