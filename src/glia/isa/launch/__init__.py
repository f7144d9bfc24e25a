"""What a kernel becomes while it is traced: the builder, its memory, its checks, its addresses."""
