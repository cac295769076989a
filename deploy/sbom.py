"""What the image consists of, as a CycloneDX document: every Debian package and every library."""

import json
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from deploy.debian import RELEASE, Pin
from deploy.project import Project


def sbom(project: Project, digest: str, pins: Iterable[Pin], site: Path) -> str:
    """Write the document for the image of this digest; the same image makes the same document.

    ``site`` is the folder that the libraries were installed into.
    """
    image = Component(
        name="surefoot",
        version=project.version,
        type=ComponentType.CONTAINER,
        bom_ref=digest,
        purl=PackageURL("oci", None, "surefoot", digest),
    )
    components = [*map(_debian, pins), *_libraries(site)]
    bom = Bom(components=components, metadata=BomMetaData(component=image))
    bom.serial_number = uuid5(NAMESPACE_URL, digest)
    bom.register_dependency(image, components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    document = json.loads(text)
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _debian(pin: Pin) -> Component:
    qualifiers = {"arch": pin.architecture, "distro": RELEASE}
    return Component(
        name=pin.name,
        version=pin.version,
        bom_ref=f"deb:{pin.name}",
        purl=PackageURL("deb", "debian", pin.name, pin.version, qualifiers),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=pin.sha256)],
    )


def _libraries(site: Path) -> Iterator[Component]:
    found = distributions(path=[str(site)])
    for library in sorted(found, key=lambda library: library.metadata["Name"].lower()):
        name = library.metadata["Name"]
        yield Component(
            name=name,
            version=library.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"pypi:{name}",
            purl=PackageURL("pypi", None, name.lower().replace("_", "-"), library.version),
            licenses=[DisjunctiveLicense(name=words) for words in _licence(library)],
        )


def _licence(library: Distribution) -> Iterator[str]:
    for field in ("License-Expression", "License"):
        if field in library.metadata:
            yield library.metadata[field].splitlines()[0][:100]
            return
