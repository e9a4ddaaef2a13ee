"""Where a network looks: integrated gradients of its test clips, next to the actor's mask (`bench explain`)."""
