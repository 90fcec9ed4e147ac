# The kinds of operations: one row each, at the number that its twin in fastnn/operations/ has as `kernel`.
# Columns: name; forward, backward, update, remember; infer or infer_panel; kept; divided by units; elementwise; joins;
# sizes; lines of weights beside those of the kernel; sample, sample_back, prepare.

cdef OperationKernel[18] OPERATIONS
OPERATIONS[0] = OperationKernel("dense", dense_forward, dense_backward, dense_update, NULL, dense_infer, NULL,
                                dense_kept, True, False, True, PRODUCT, 1, NULL, NULL, NULL)
OPERATIONS[1] = OperationKernel("elementwise", elementwise_forward, elementwise_backward, NULL, NULL, NULL,
                                elementwise_infer, NULL, True, True, False, ALIKE, 0, NULL, NULL, NULL)
OPERATIONS[2] = OperationKernel("rowwise", rowwise_forward, rowwise_backward, NULL, NULL, rowwise_infer, NULL,
                                NULL, False, False, False, ALIKE, 0, NULL, NULL, NULL)
OPERATIONS[3] = OperationKernel("dropout", dropout_forward, dropout_backward, NULL, NULL, NULL, random_infer,
                                dropout_kept, True, True, False, ALIKE, 0, NULL, NULL, NULL)
OPERATIONS[4] = OperationKernel("noise", noise_forward, noise_backward, NULL, NULL, NULL, random_infer,
                                NULL, True, True, False, ALIKE, 0, NULL, NULL, NULL)
OPERATIONS[5] = OperationKernel("batch_normalization", batch_norm_forward, batch_norm_backward, batch_norm_update,
                                batch_norm_remember, NULL, batch_norm_infer, norm_kept, False, False, False, SCALES, 2,
                                NULL, NULL, NULL)
OPERATIONS[6] = OperationKernel("layer_normalization", layer_norm_forward, layer_norm_backward, layer_norm_update,
                                NULL, layer_norm_infer, NULL, norm_kept, False, False, False, SCALES, 0, NULL, NULL, NULL)
OPERATIONS[7] = OperationKernel("unit_normalization", unit_forward, unit_backward, NULL, NULL, unit_infer, NULL,
                                unit_kept, False, False, False, ALIKE, 0, NULL, NULL, NULL)
OPERATIONS[8] = OperationKernel("convolution", NULL, NULL, conv_update, NULL, NULL, NULL, dense_kept, False, False, True,
                                WALK, 1, conv_sample, conv_sample_back, turn_weights)
OPERATIONS[9] = OperationKernel("transposed_convolution", NULL, NULL, transposed_update, NULL, NULL, NULL, dense_kept,
                                False, False, True, WALK_BACK, 1, conv_sample, conv_sample_back, turn_weights)
OPERATIONS[10] = OperationKernel("max_pooling", NULL, NULL, NULL, NULL, NULL, NULL, max_pool_kept, False, False, False,
                                 WINDOWS, 0, max_pool_sample, max_pool_sample_back, NULL)
OPERATIONS[11] = OperationKernel("average_pooling", NULL, NULL, NULL, NULL, NULL, NULL, NULL, False, False, False,
                                 WINDOWS, 0, average_pool_sample, average_pool_sample_back, NULL)
OPERATIONS[12] = OperationKernel("resampling", NULL, NULL, NULL, NULL, NULL, NULL, NULL, False, False, False,
                                 RESAMPLES, 0, resample_sample, resample_sample_back, NULL)
OPERATIONS[13] = OperationKernel("permutation", NULL, NULL, NULL, NULL, NULL, NULL, NULL, False, False, False,
                                 MOVES, 0, permute_sample, permute_sample_back, NULL)
OPERATIONS[14] = OperationKernel("noisy_factors", noisy_factors_forward, dropout_backward, NULL, NULL, NULL, random_infer,
                                 dropout_kept, True, True, False, ALIKE, 0, NULL, NULL, NULL)
OPERATIONS[15] = OperationKernel("prelu", prelu_forward, prelu_backward, prelu_update, NULL, NULL, prelu_infer,
                                 NULL, True, True, False, LINE, 0, NULL, NULL, NULL)
OPERATIONS[16] = OperationKernel("embedding", embedding_forward, no_backward, embedding_update, NULL, embedding_infer, NULL,
                                 embedding_kept, True, False, False, LOOKUP, 0, NULL, NULL, NULL)
OPERATIONS[17] = OperationKernel("encoding", NULL, NULL, NULL, NULL, NULL, NULL, NULL, False, False, False,
                                 ENCODES, 0, encode_sample, encode_sample_back, NULL)
