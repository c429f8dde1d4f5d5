"""The catalogue: connectors as data, read from `connectors/<service_id>/connector.yaml`.

Owns reading manifests strictly (an error names file, line and word, and all errors of a file are told at once) and
looking connectors up. Knows nothing of tenants, tokens or HTTP; what the words mean is `holdfast.domain.manifest`'s.

- `index`       the `Catalog`: shipped manifests and one's own, by unified API and service
- `reading`     one file to one `Connector`, or to a `ManifestError`
- `source`      YAML, with line numbers
- `vocabulary`  the words' types as data, and the walks along them
- `rules`       what a manifest must satisfy beyond types
- `authoring`   `check` and `new`, for whoever writes a manifest
- `pages`       the generated pages of `docs/reference`

To add a connector: a folder in `holdfast/connectors` or in `HOLDFAST_CONNECTORS_DIR`; `holdfast connectors new`
writes the first version, and `docs/how-to/write-a-connector.md` explains the rest.
"""

from holdfast.catalog.index import Catalog
from holdfast.catalog.problems import ManifestError, Problem

__all__ = ["Catalog", "ManifestError", "Problem"]
