"""The API reference, from the one list of public names: what the ``.pyi`` files say.

It writes ``docs/api/index.rst`` before each build, and makes every mention of a public name a link, however the name is
written; scikit-learn's names lead to its site. A name that is nobody's stays a warning.
"""

import inspect
import sys
from pathlib import Path

from docutils import nodes
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import make_refnode

import sk_emotion

# Names of these are not ours to check; a link is made to scikit-learn alone, whose addresses follow its names.
OTHERS = (
    "sklearn",
    "imblearn",
    "joblib",
    "matplotlib",
    "numpy",
    "pandas",
    "PIL",
    "scipy",
    "skimage",
    "skorch",
    "torch",
    "torchvision",
)
SKLEARN = "https://scikit-learn.org/stable/modules/generated/{}.html"

INTRODUCTION = """\
API reference
=============

Every public name, by the folder it lives in. What stands under ``sk_emotion`` can be imported from there:
``from sk_emotion import EmotionClassifier``. How the pieces go together is told in the
:doc:`user guide </guide/index>`.
"""


def list_modules():
    """Give the public modules, the root first."""
    found = [getattr(sk_emotion, name) for name in sk_emotion.__all__ if not name.startswith("_")]
    return [sk_emotion, *sorted(filter(inspect.ismodule, found), key=lambda module: module.__name__)]


def list_names(module):
    """Give the public names of a module that are no modules."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return sorted(
        (name for name in names if not name.startswith("_") and not inspect.ismodule(getattr(module, name))),
        key=lambda name: (not name[0].isupper(), name.lower()),
    )


def list_places():
    """Give (module, names, where each is documented): at the root, if it can be imported from there."""
    root = set(list_names(sk_emotion))
    below = {name for module in list_modules()[1:] for name in list_names(module)}
    places = []
    for module in list_modules():
        names = [name for name in list_names(module) if module is not sk_emotion or name not in below]
        places.append((module, {name: "sk_emotion" if name in root else module.__name__ for name in names}))
    return places


def find_places():
    """Give the full documented name of each public name."""
    return {name: f"{place}.{name}" for _, names in list_places() for name, place in names.items()}


def write_pages(app, config):
    parts = [INTRODUCTION]
    for module, names in list_places():
        summary = inspect.getdoc(module).split("\n\n")[0].replace("\n", " ")
        title = module.__name__
        lines = [
            title,
            "-" * len(title),
            "",
            summary,
            "",
            ".. autosummary::",
            "   :toctree: generated",
            "   :nosignatures:",
            "",
        ]
        parts.append("\n".join([*lines, *(f"   ~{place}.{name}" for name, place in names.items()), ""]))
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    for page in folder.glob("generated/*.rst"):
        if page.stem not in find_places().values():
            page.unlink()
    text = "\n".join(parts)
    page = folder / "index.rst"
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def resolve(app, env, node, content):
    """Resolve what Sphinx alone does not find: a public name written short or by another path, and scikit-learn's."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].removesuffix("()")
    if target.startswith("sklearn.") and target.count(".") >= 2:
        return nodes.reference("", "", content.deepcopy(), refuri=SKLEARN.format(target), internal=False)
    if target.split(".")[0] in OTHERS:
        return content.deepcopy()
    domain = env.get_domain("py")
    places = find_places()
    head, _, rest = target.removeprefix("sk_emotion.").partition(".")
    for name, attribute in ((head, rest), (rest.partition(".")[0], rest.partition(".")[2])):
        if name in places:
            full = f"{places[name]}.{attribute}" if attribute else places[name]
            found = domain.objects.get(full) or (attribute and domain.objects.get(places[name]))
            if found:
                return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content.deepcopy())
    return None


def skip_member(app, what, name, obj, skip, options):
    """Leave out what scikit-learn and others say of methods that are inherited from them, or made by them."""
    function = obj.fget if isinstance(obj, property) else getattr(obj, "__func__", obj)
    module = getattr(function, "__module__", None) or ("builtins" if callable(function) else "sk_emotion")
    return None if module.startswith("sk_emotion") else True


def describe_data(app, what, name, obj, options, lines):
    """Say of a constant what stands below it in the module where it is defined, not what its type is."""
    if what == "data":
        for module in [module for module in sys.modules if module.startswith("sk_emotion.")]:
            found = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name.rpartition(".")[2]))
            if found:
                lines[:] = found


def link_pages(app, relative_path, parent, content):
    """Links of included files, written for the repository, lead to the pages made of them."""
    for target, page in (
        ("(../sk_emotion/pretrained/fer2013.md)", "(/models/fer2013.md)"),
        ("(../sk_emotion/pretrained/human-emotions.md)", "(/models/human-emotions.md)"),
    ):
        content[0] = content[0].replace(target, page)


def setup(app):
    app.connect("config-inited", write_pages)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("autodoc-process-docstring", describe_data, priority=400)
    app.connect("include-read", link_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
