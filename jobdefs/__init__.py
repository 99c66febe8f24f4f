"""Job descriptors: XML documents, conditions and command lines."""
