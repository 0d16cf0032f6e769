"""CloudFormation: the stacks that Darkroom deploys."""
