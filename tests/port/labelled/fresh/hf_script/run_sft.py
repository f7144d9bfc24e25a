import logging
import torch
from datasets import load_dataset
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import (AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, DataCollatorForLanguageModeling,
                          DataCollatorForSeq2Seq, Trainer, TrainingArguments)
from trl import SFTConfig, SFTTrainer

logger = logging.getLogger(__name__)
bnb = BitsAndBytesConfig(  # ~ C064
    load_in_4bit=True,  # ~ C064
    bnb_4bit_quant_type="nf4",  # ~ none
    bnb_4bit_compute_dtype=torch.float16,  # ~ C042
)
tok = AutoTokenizer.from_pretrained("m")  # ~ none
model = AutoModelForCausalLM.from_pretrained(
    "m",
    quantization_config=bnb,  # ~ C064?
    device_map={"": torch.cuda.current_device()},  # ~ C128 C008
    attn_implementation="flash_attention_2",  # ~ C056
    torch_dtype="auto",  # ~ none
)
model = prepare_model_for_kbit_training(model)  # ~ C064
model = get_peft_model(model, LoraConfig(r=8, target_modules=["q_proj"]))  # ~ none
ds = load_dataset("json", data_files="a.json")  # ~ none
ds = ds.map(lambda b: tok(b["text"], truncation=True, padding="max_length", max_length=512), batched=True)  # ~ none
ds2 = ds.map(lambda b: tok(b["text"], truncation=True, padding=True), batched=True)  # ~ C085
args = SFTConfig(
    output_dir="o",  # ~ none
    per_device_train_batch_size=4,  # ~ none
    bf16=torch.cuda.is_bf16_supported(),  # ~ C023
    fp16=not torch.cuda.is_bf16_supported(),  # ~ C023
    optim="paged_adamw_32bit",  # ~ C065
    gradient_checkpointing=True,  # ~ C121
    dataloader_num_workers=8,  # ~ C035
    ddp_backend="nccl",  # ~ C103
    report_to="wandb",  # ~ none
)
trainer = SFTTrainer(model=model, args=args, data_collator=DataCollatorForSeq2Seq(tok, padding=True))  # ~ C085
fixed = DataCollatorForSeq2Seq(tok, padding="max_length", max_length=512)  # ~ none
trainer.train()  # ~ none
logger.info(f"peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB on {torch.cuda.get_device_name(0)}")  # ~ C018 C021
inputs = tok("hi", return_tensors="pt").to("cuda")  # ~ C002
with torch.inference_mode():
    out = model.generate(**inputs, max_new_tokens=20)
print(tok.decode(out[0].cpu().numpy(), skip_special_tokens=True))  # ~ C078
model.save_pretrained("o")  # ~ none
