"""Convert a Hugging Face checkpoint to the layout of the trainer."""
from safetensors.torch import load_file, save_file


def permute_rope(w, n_heads):  # ~ C127?
    dim1, dim2 = w.shape
    return w.view(n_heads, dim1 // n_heads // 2, 2, dim2).transpose(1, 2).reshape(dim1, dim2)


def convert_hf_checkpoint(src, dst, n_heads):  # ~ C127
    state = load_file(src)
    out = {}
    for name, w in state.items():  # ~ none
        out[name.replace("model.layers", "blocks")] = permute_rope(w, n_heads) if "q_proj" in name else w
    save_file(out, dst)  # ~ none
