// The developers' tools, pinned. They have a module of their own so that their
// several hundred dependencies never reach the product's.
module github.com/chorus-cast/chorus/deploy/tools

go 1.26.0
