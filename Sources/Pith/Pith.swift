// What a program needs to load and run models, under one name.
@_exported import PithCheckpoints
@_exported import PithGeneration
@_exported import PithModels
@_exported import PithTensors
@_exported import PithTokenizers
